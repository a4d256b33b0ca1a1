import { duplicateLines } from '../snapshot/duplicates.js';
import { partIndexName } from '../snapshot/part-index.js';
import { asFacts, type RestoreContext, type RestorePorts } from './context.js';
import { demandIndex, keySet, sourceIndexes, type KeySet } from './key-set.js';
import { savedManifest } from './saved-manifest.js';
import { scopeMatcher } from './selected.js';
import type { LiveKey } from './walk.js';

/** Tells which keys of the target belong to the scope and are not in the snapshot, or are left out of it as erased. */
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
 * Tells which of these may be removed: what the safety snapshot holds, so that it can be brought back; without one,
 * what a snapshot could hold. What came up since, and what no snapshot can save, stays.
 */
export async function removableFinder(
  ports: RestorePorts,
  { state }: RestoreContext,
  run: string,
): Promise<(live: LiveKey) => boolean> {
  if (state.undo === 'skipped') return ({ supported }) => supported;
  const saved = state.undo === run ? await readSavedKeys(ports, run) : null;
  return ({ key }) => saved?.has(key) === true;
}

async function readSavedKeys(ports: RestorePorts, run: string): Promise<KeySet> {
  const { doubles, parts } = await savedManifest(ports.store, run);
  return keySet(
    (async function* () {
      for (const [number, { name }] of parts.entries()) {
        const index = await demandIndex(ports.store, partIndexName(run, name));
        yield { index, without: duplicateLines(doubles, number) };
      }
    })(),
  );
}
