import { useState } from 'preact/hooks';
import type { RunSummary } from '../api/types.js';
import { Age } from '../parts/age.js';
import { Badge } from '../parts/badge.js';
import { Problem } from '../parts/problem.js';
import { RunProgress } from '../parts/run-progress.js';
import { RunResult } from '../parts/run-result.js';
import { isOver, runTime } from '../state/runs.js';
import { useRun } from '../state/use-run.js';
import { duration } from '../words/format.js';
import { kindName } from '../words/phases.js';
import { RUN_TONES } from '../words/standing.js';

const FIRST = 6;

/** The last runs: those under way with live progress, the others with how they ended. */
export function Runs({ runs }: { readonly runs: readonly RunSummary[] }) {
  const [all, setAll] = useState(false);
  if (runs.length === 0) return <p class="empty">Nothing has run yet.</p>;
  // What is under way shows however old it is.
  const shown = all ? runs : runs.filter((run, index) => index < FIRST || !isOver(run.state));
  return (
    <>
      <ul class="runs">
        {shown.map((run) =>
          isOver(run.state) ? <PastRun key={run.runId} run={run} /> : <LiveRun key={run.runId} run={run} />,
        )}
      </ul>
      {shown.length < runs.length && (
        <button type="button" class="quiet" onClick={() => setAll(true)}>
          Show all {runs.length}
        </button>
      )}
    </>
  );
}

function LiveRun({ run }: { readonly run: RunSummary }) {
  const { data, error } = useRun(run.runId);
  const now = data ?? run;
  return (
    <li class="run live">
      <RunHead run={now} />
      {!isOver(now.state) && <RunProgress run={now} />}
      {error !== null && <Problem title="Its progress cannot be read; the run itself goes on" error={error} />}
    </li>
  );
}

function PastRun({ run }: { readonly run: RunSummary }) {
  const [open, setOpen] = useState(false);
  return (
    <li class="run">
      <RunHead run={run} />
      {run.error !== null && (
        <p>
          {run.error.message}. <span class="hint">{run.error.hint}</span>
        </p>
      )}
      <details onToggle={(event) => setOpen(event.currentTarget.open)}>
        <summary>
          Details{' '}
          <span class="hidden">
            of {kindName(run)} {run.runId}
          </span>
        </summary>
        {open && <Details id={run.runId} />}
      </details>
    </li>
  );
}

function Details({ id }: { readonly id: string }) {
  const { data, error } = useRun(id);
  if (data !== null) return <RunResult run={data} />;
  if (error !== null) return <Problem title="The run cannot be read" error={error} />;
  return <p class="empty">Loading…</p>;
}

function RunHead({ run }: { readonly run: RunSummary }) {
  return (
    <p class="run-head">
      <strong>{kindName(run)}</strong> <Badge tone={RUN_TONES[run.state]}>{run.state}</Badge>
      <span class="meta">
        <Age at={run.createdAt} />
        {isOver(run.state) && ` · took ${duration(runTime(run, Date.now()))}`} · <code>{run.runId}</code>
      </span>
    </p>
  );
}
