import { duplicateLines } from '../snapshot/duplicates.js';
import { partIndexName } from '../snapshot/part-index.js';
import { keySet, type KeySet } from '../redis/key-sets.js';
import { AppError } from '../errors.js';
import type { RedisPort } from '../ports/redis.js';
import { inHalves, saysTooLarge, tooLarge, byBytes } from '../redis/halving.js';
import type { Attempt, StepOutcome } from '../runs/model.js';
import { asFacts } from './facts.js';
import { addSpent, openContext, spentSince, type RestoreContext, type RestorePorts } from './context.js';
import { loadIndex, sourceIndexes } from './working-objects.js';
import { loadSafetyManifest } from './safety.js';
import { scopeMatcher } from './scope.js';
import { continueLater, walk, type LiveKey } from './live.js';
import { enterPhase } from './checkpoint.js';
import { isOwnKey, isStaged } from './target.js';
import { misplacedFinder, removeMisplaced } from './unite/moves.js';
import { savedLists } from './unite/prove-kept.js';
import { updateUserProjects } from './user-projects.js';
import { BATCH_BYTES, wireBytes } from './write/size.js';
import { attachKey } from './write/errors.js';

/** Finds keys of the target that belong to the scope and are not in the snapshot, or are left out as erased. */
export async function extraFinder(
  ports: RestorePorts,
  { erased, input, manifest, state }: RestoreContext,
  run: string,
): Promise<(live: LiveKey) => boolean> {
  const source = await keySet(sourceIndexes(ports.store, run, manifest, state.parts));
  const belongs = scopeMatcher(input.scope, asFacts(input.scope, state.liveFacts));
  return ({ key, known }) => belongs(key, known) === 'owned' && (!source.has(key) || erased.has(known));
}

/**
 * Finds which of these may be removed: keys that the safety snapshot holds, so that they can be brought back; without
 * one, keys of types that a snapshot can hold. Newer keys, and keys that no snapshot can hold, stay.
 */
async function removableFinder(
  ports: RestorePorts,
  { state }: RestoreContext,
  run: string,
): Promise<(live: LiveKey) => boolean> {
  if (state.undo === 'skipped') return ({ supported }) => supported;
  const saved = state.undo === run ? await readSavedKeys(ports, run) : null;
  return ({ key }) => saved?.has(key) === true;
}

async function readSavedKeys(ports: RestorePorts, run: string): Promise<KeySet> {
  const { doubles, parts } = await loadSafetyManifest(ports.store, run);
  return keySet(
    (async function* () {
      for (const [number, { name }] of parts.entries()) {
        const index = await loadIndex(ports.store, partIndexName(run, name));
        yield { index, without: duplicateLines(doubles, number) };
      }
    })(),
  );
}

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
    if (reply === undefined || 'error' in reply) {
      throw new AppError('redis-command', 'The target refuses UNLINK', {
        hint: 'Restore with the standard REST token of the target; docs/operations.md names the commands that are needed.',
      });
    }
    return [Number(reply.value)];
  };
  const alone = ({ key }: LiveKey, error: AppError): never => {
    throw attachKey(key, error);
  };
  let removed = 0;
  for (const piece of byBytes(live, ({ key }) => wireBytes(key), BATCH_BYTES)) {
    for (const count of await inHalves(piece, run, alone)) removed += count;
  }
  return removed;
}
