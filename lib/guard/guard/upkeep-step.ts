import type { ErrorCode } from '../../errors.js';
import type { Outcome, Upkeep } from '../upkeep.js';
import type { Summary } from './parts.js';

/** Another process does the same at this moment. */
const AT_IT: ReadonlySet<ErrorCode> = new Set<ErrorCode>(['locked', 'busy', 'fenced']);

/** What upkeep came to, in counts. Throws the first error of what failed, unless somebody else was at it. */
export function upkeepSummary({ prune, replica, replicaPrune }: Upkeep): Summary {
  for (const outcome of [prune, replica, replicaPrune]) {
    const error = outcome.state === 'skipped' ? null : outcome.error;
    if (error !== null && !AT_IT.has(error.code)) throw error;
  }
  return {
    prune: wordOf(prune),
    held: prune.state === 'done' ? prune.result.held : null,
    removed: prune.state === 'done' ? prune.result.snapshots.removed : null,
    replica: wordOf(replica),
    copied: replica.state === 'done' ? replica.result.copied : null,
    left: replica.state === 'done' ? replica.result.left : null,
    replicaPrune: wordOf(replicaPrune),
  };
}

function wordOf(outcome: Outcome<unknown>): string {
  return outcome.state === 'skipped' ? outcome.reason : outcome.state;
}
