import type { RunSummary } from '../api/types.js';
import { serverTime, useDesk } from '../state/desk.js';
import { useNow } from '../state/now.js';
import { runTime } from '../state/runs.js';
import { duration, progressWords } from '../words/format.js';
import { kindName, phaseName } from '../words/phases.js';

/** A run under way: its phase, how far that is, and for how long it has been at work. */
export function RunProgress({ run }: { readonly run: RunSummary }) {
  const { status } = useDesk();
  const now = serverTime(status, useNow());
  const { done, total } = run.progress;
  const known = total !== null && total > 0;
  const amount = known ? { max: total, value: Math.min(done, total) } : {};
  return (
    <div class="progress">
      <progress aria-label={`${kindName(run)} ${run.runId}`} {...amount} />
      <p>
        {run.state === 'waiting' ? `waiting${run.error === null ? '' : `: ${run.error.message}`}` : phaseName(run)}
        {' · '}
        {progressWords(run.progress)}
        {' · '}
        {duration(runTime(run, now))}
      </p>
    </div>
  );
}
