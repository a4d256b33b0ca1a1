import type { RunSummary } from '../api/types.js';
import { useDesk } from '../state/desk.js';
import { inputOf } from '../words/run-words.js';
import { Ask } from './ask.js';

/** Ends a run, after it was said what that leaves behind. */
export function CancelRun({ run }: { readonly run: RunSummary }) {
  const { api, refreshAll } = useDesk();
  const writes = run.kind === 'restore' && inputOf(run)['dryRun'] !== true;
  return (
    <Ask open="Cancel this run…" verb="End it now" danger onDo={() => api.cancel(run.runId)} onDone={refreshAll}>
      {writes
        ? 'The restore ends as failed. What it has written stays, and the database counts as unfinished until a restore of the same scope ends well.'
        : 'The run ends as failed. What it has done so far is of no use; nothing in the database changes by it.'}
    </Ask>
  );
}
