import { duplicateLines } from '../snapshot/duplicates.js';
import { partIndexName } from '../snapshot/part-index.js';
import { asFacts, type RestoreContext, type RestorePorts } from './context.js';
import { loadIndex, keySet, sourceIndexes, type KeySet } from './key-set.js';
import { loadSafetyManifest } from './saved-manifest.js';
import { scopeMatcher } from './selected.js';
import type { LiveKey } from './walk.js';

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
