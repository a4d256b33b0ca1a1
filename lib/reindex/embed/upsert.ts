import type { StoredVector, VectorIndex } from '../../ports/vector-index.js';
import { isIndexRefusal } from '../refusal.js';

/**
 * Writes vectors; returns the ids of those that the index refuses to take. A batch that is refused as a whole is halved
 * until the vectors that are to blame stand alone, unless its first and its last are both refused: then the namespace is
 * what the index refuses, and all of them are.
 */
export async function upsertIsolating(
  index: VectorIndex,
  namespace: string,
  vectors: readonly StoredVector[],
): Promise<ReadonlySet<string>> {
  const refused = new Set<string>();
  const write = async (some: readonly StoredVector[]): Promise<boolean> => {
    try {
      await index.upsert(namespace, some);
      return true;
    } catch (error) {
      if (isIndexRefusal(error)) return false;
      throw error;
    }
  };
  const halve = async (some: readonly StoredVector[]): Promise<void> => {
    if (some.length === 0 || (await write(some))) return;
    if (some.length === 1) {
      for (const { id } of some) refused.add(id);
      return;
    }
    const middle = Math.ceil(some.length / 2);
    await halve(some.slice(0, middle));
    await halve(some.slice(middle));
  };
  if (await write(vectors)) return refused;
  const ends = vectors.length > 2 ? [vectors.slice(0, 1), vectors.slice(-1)] : [];
  const taken = await Promise.all(ends.map(write));
  if (ends.length > 0 && !taken.some(Boolean)) return new Set(vectors.map(({ id }) => id));
  await halve(vectors);
  return refused;
}
