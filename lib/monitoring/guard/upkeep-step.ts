import { AppError, type ErrorCode } from '../../errors.js';
import type { Budget } from '../../runs/attempt.js';
import { upkeep, type Outcome, type UpkeepRequest } from '../../retention/upkeep.js';
import type { PrunePorts } from '../../retention/prune/prune.js';
import { RPO_HOURS, RPO_MS } from '../objectives.js';
import type { Summary } from './parts.js';

/** What upkeep needs to know, beside how long it may take. */
export type UpkeepSettings = Pick<UpkeepRequest, 'replica' | 'settings'>;

/** Another process does the same at this moment. */
const AT_IT: ReadonlySet<ErrorCode> = new Set<ErrorCode>(['locked', 'busy', 'fenced']);

/**
 * Prunes and replicates as far as there is time. Throws the first failure when all has been tried; that somebody else is
 * at it is none. A second store that is a day behind is one: there, too, no more than a day may be lost.
 */
export async function upkeepStep(
  ports: PrunePorts,
  settings: UpkeepSettings,
  { deadline, interrupt }: Budget,
): Promise<Summary> {
  const { prune, replica, replicaPrune } = await upkeep(ports, { ...settings, deadline, interrupt });
  const outcomes: readonly Outcome<unknown>[] = [prune, replica, replicaPrune];
  for (const outcome of outcomes) {
    if (outcome.state !== 'skipped' && outcome.error !== null && !AT_IT.has(outcome.error.code)) throw outcome.error;
  }
  if (replica.state === 'done' && replica.result.behindMs > RPO_MS) {
    const { left } = replica.result;
    throw new AppError(
      'incomplete',
      `The second store has nothing of the last ${RPO_HOURS} hours: ${left} ${left === 1 ? 'snapshot waits' : 'snapshots wait'} to be copied`,
      {
        hint: 'The guard has too little time for it. Copy them from a terminal: `npx soulcaster-backup replicate --env-file .env`.',
      },
    );
  }
  return {
    prune: prune.state === 'done' && prune.result.held !== null ? `held: ${prune.result.held}` : prune.state,
    removed: prune.state === 'done' ? prune.result.snapshots.removed : 0,
    replica: replica.state === 'skipped' ? replica.reason : replica.state,
    copied: replica.state === 'done' ? replica.result.copied : 0,
    left: replica.state === 'done' ? replica.result.left : null,
  };
}
