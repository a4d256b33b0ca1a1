import { AppError } from '../errors.js';
import type { RedisPort } from '../ports/redis.js';
import { inHalves, saysTooLarge, tooLarge } from '../redis/halving.js';
import type { Attempt, StepOutcome } from '../runs/model.js';
import { addSpent, openContext, spentSince, type RestorePorts } from './context.js';
import { extraFinder, removableFinder } from './extras.js';
import { enterPhase } from './phases.js';
import { isOwnKey, isStaged } from './staged.js';
import { misplacedFinder, removeMisplaced } from './unite/moves.js';
import { savedLists } from './unite/prove-kept.js';
import { updateUserProjects } from './user-projects.js';
import { cutByBytes } from './write/cut-by-bytes.js';
import { BATCH_BYTES } from './write/limits.js';
import { attachKey } from './write/refusal.js';
import { wireBytes } from './write/size.js';
import { continueLater, walk, type LiveKey } from './walk.js';

/**
 * Removes the keys of the scope that the snapshot lacks (mode `replace`) and staged keys of dead tasks, and puts each
 * project back on its users' lists.
 */
export async function removeStep(ports: RestorePorts, attempt: Attempt): Promise<StepOutcome> {
  const context = await openContext(ports, attempt.run, attempt.signal);
  const { input, redis, state } = context;
  const before = redis.usage();
  if (state.cursor === null) await updateUserProjects(context);
  const isExtra = await extraFinder(ports, context, attempt.run.id);
  const misplaced = await misplacedFinder(ports, context, attempt.run.id);
  const isRemovable = await removableFinder(ports, context, attempt.run.id);
  let removed = 0;
  const walked = await walk(redis, attempt, state, async (keys) => {
    await unlink(
      redis,
      keys.filter(({ key }) => isStaged(key)),
    );
    if (misplaced !== null) await removeMisplaced(context, misplaced(keys));
    if (input.mode !== 'replace') return;
    removed += await unlink(
      redis,
      keys.filter((live) => !isOwnKey(live.key) && isExtra(live) && isRemovable(live)),
    );
  });
  const spent = addSpent(state.spent, spentSince(redis, before));
  const next = { ...state, removed: state.removed + removed, spent };
  if (walked.cursor !== null) return continueLater(next, walked);
  const saved = await savedLists(ports, context);
  const tasks = state.parts.length + (saved?.parts.length ?? 0);
  return enterPhase('prove', { ...next, walked: 0 }, tasks, ports.clock.now());
}

async function unlink(redis: RedisPort, live: readonly LiveKey[]): Promise<number> {
  const run = async (some: readonly LiveKey[]): Promise<number[]> => {
    const [reply] = await redis.pipeline([['UNLINK', ...some.map(({ key }) => key)]]);
    if (saysTooLarge(reply)) throw tooLarge();
    if (reply === undefined || 'error' in reply) throw unlinkRefusedError();
    return [Number(reply.value)];
  };
  const alone = ({ key }: LiveKey, error: AppError): never => {
    throw attachKey(key, error);
  };
  let removed = 0;
  for (const piece of cutByBytes(live, ({ key }) => wireBytes(key), BATCH_BYTES)) {
    for (const count of await inHalves(piece, run, alone)) removed += count;
  }
  return removed;
}

function unlinkRefusedError(): AppError {
  return new AppError('redis-command', 'The target refuses UNLINK', {
    hint: 'Restore with the standard REST token of the target; docs/operations.md names the commands that are needed.',
  });
}
