import type { RunSummary } from '../api/types.js';
import { serverTime, useDesk } from '../state/desk.js';
import { useNow } from '../state/now.js';
import { runTime, standstill, timeLeft } from '../state/runs.js';
import { duration, progressWords } from '../words/format.js';
import { runTone } from '../words/labels.js';
import { Badge } from './badge.js';
import { RunName } from './names.js';
import { Time } from './time.js';
import { Ask } from './ask.js';

/** A run under way among others, as the status shows it, with what can be done about it. */
export function LiveRun({ run }: { readonly run: RunSummary }) {
  return (
    <>
      <p class="row-title">
        <Badge tone={runTone(run)}>{run.state}</Badge> <RunName run={run} />
      </p>
      <p class="meta">
        <code>{run.runId}</code>, begun <Time at={run.createdAt} />
      </p>
      <RunProgress run={run} />
      <CancelRun run={run} />
    </>
  );
}

/** How far a run is, how its attempts went, and what comes next: what somebody needs who wonders why nothing moves. */
export function RunProgress({ run }: { readonly run: RunSummary }) {
  const { status } = useDesk();
  const now = serverTime(status, useNow());
  const { attempts, lastError, nextAttemptAt, phaseAt, progressedAt } = run;
  const { done, total } = run.progress;
  const amount = total !== null && total > 0 ? { max: total, value: Math.min(done, total) } : {};
  const still = standstill(run, now);
  const left = phaseAt === null ? null : timeLeft(run.progress, now - Date.parse(phaseAt));
  return (
    <div class="progress">
      <progress aria-label={`Progress of ${run.title} ${run.runId}`} {...amount} />
      <p>
        <strong>{run.state === 'waiting' ? 'waiting' : run.doing}</strong>
        {': '}
        {progressWords(run.progress)}, {duration(runTime(run, now))} so far
        {left !== null && `, about ${duration(left)} left in this step`}
      </p>
      {still !== null && (
        <p>
          <Badge tone="warn">stands still</Badge> No progress for {duration(still)}.
        </p>
      )}
      {run.state === 'waiting' && run.error !== null && <p>{run.error.message}.</p>}
      <p class="meta">
        {attempts === 0 ? 'No attempt yet' : `Attempt ${attempts}`}
        {run.trigger !== null && `, asked for by ${run.trigger}`}
        {progressedAt !== null && (
          <>
            {', last progress '}
            <Time at={progressedAt} />
          </>
        )}
      </p>
      {lastError !== null && (
        <p>
          Last error: {lastError.message} <code>{lastError.code}</code>, <Time at={lastError.at} />
        </p>
      )}
      {nextAttemptAt !== null && (lastError !== null || attempts === 0 || still !== null) && (
        <p>
          Next attempt by <Time at={nextAttemptAt} />
        </p>
      )}
    </div>
  );
}

/** Ends a run, after it was said what that leaves behind. */
export function CancelRun({ run }: { readonly run: RunSummary }) {
  const { api, refreshAll } = useDesk();
  return (
    <Ask open="Cancel this run…" verb="End it now" danger onDo={() => api.cancel(run.runId)} onDone={refreshAll}>
      The run ends as failed.{' '}
      {run.ifCancelled ?? 'What it has done so far is of no use; nothing in the database changes by it.'}
    </Ask>
  );
}
