import { AppError } from '../errors.js';
import type { RedisPort } from '../ports/redis.js';
import type { Leg, StepOutcome } from '../runs/model.js';
import { addSpent, openContext, spentSince, type RestorePorts } from './context.js';
import { extraFinder, removableFinder } from './extras.js';
import { enter } from './phases.js';
import { isOurs, isStaged } from './staged.js';
import { misplacedFinder, moveOut } from './unite/moves.js';
import { savedLists } from './unite/tasks.js';
import { joinUsers } from './user-projects.js';
import { cutByBytes } from './write/cut-by-bytes.js';
import { BATCH_BYTES } from './write/limits.js';
import { wireBytes } from './write/size.js';
import { goOnLater, walk, type LiveKey } from './walk.js';

/**
 * Removes the keys of the scope that the snapshot does not have (mode `replace`) and what dead tasks left staged, and
 * makes the project one of its user's again.
 */
export async function removeStep(ports: RestorePorts, leg: Leg): Promise<StepOutcome> {
  const context = await openContext(ports, leg.run);
  const { input, redis, state } = context;
  const before = redis.usage();
  if (state.cursor === null) await joinUsers(context);
  const isExtra = await extraFinder(ports, context, leg.run.id);
  const misplaced = await misplacedFinder(ports, context, leg.run.id);
  const isRemovable = await removableFinder(ports, context, leg.run.id);
  let removed = 0;
  const walked = await walk(redis, leg, state, async (keys) => {
    await unlink(
      redis,
      keys.filter(({ key }) => isStaged(key)),
    );
    if (misplaced !== null) await moveOut(context, misplaced(keys));
    if (input.mode !== 'replace') return;
    removed += await unlink(
      redis,
      keys.filter((live) => !isOurs(live.key) && isExtra(live) && isRemovable(live)),
    );
  });
  const spent = addSpent(state.spent, spentSince(redis, before));
  const next = { ...state, removed: state.removed + removed, spent };
  if (walked.cursor !== null) return goOnLater(next, walked);
  const saved = await savedLists(ports, context);
  const tasks = state.parts.length + (saved?.parts.length ?? 0);
  return enter('prove', { ...next, walked: 0 }, tasks, ports.clock.now());
}

async function unlink(redis: RedisPort, live: readonly LiveKey[]): Promise<number> {
  let removed = 0;
  for (const piece of cutByBytes(live, ({ key }) => wireBytes(key), BATCH_BYTES)) {
    const [reply] = await redis.pipeline([['UNLINK', ...piece.map(({ key }) => key)]]);
    if (reply === undefined || 'error' in reply) throw refused();
    removed += Number(reply.value);
  }
  return removed;
}

function refused(): AppError {
  return new AppError('redis-command', 'The target refuses UNLINK', {
    hint: 'Restore with the standard REST token of the target; docs/operations.md names the commands that are needed.',
  });
}
