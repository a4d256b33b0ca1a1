import type { StoredVector, VectorIndex } from '../../ports/vector-index.js';
import type { Turn } from '../../runs/model.js';
import { throwIfAborted, type ReindexPorts, type ReindexSettings } from '../context.js';
import { readItems, type ReadItem, type ReadyItem } from '../items.js';
import type { ItemRef } from '../model.js';
import { hashOf, printOf, type Print } from './prints.js';
import { openEmbedding, isCode, isTooMany, type Embedded, type Embedding } from './vectors.js';
import { isIndexRefusal } from '../refusal.js';

interface Work {
  readonly ports: Pick<ReindexPorts, 'clock' | 'embedder' | 'redis' | 'vectors'>;
  readonly settings: ReindexSettings;
  readonly project: string;
  readonly signal: AbortSignal;
  /** Calls of the embedder wait for it. */
  readonly turn: Turn;
}

/** What became of each item, in order, and what was asked of the embedder. */
export interface Placed {
  readonly prints: readonly Print[];
  readonly embedding: Embedding;
}

interface ReadyPlace {
  readonly at: number;
  readonly ref: ItemRef;
  readonly item: ReadyItem;
}

/**
 * Reads items of one project, embeds them and writes their vectors. May be done twice: each vector is written whole, from
 * the item as it is; what changes meanwhile is seen when items and vectors are reconciled. `before`: what an earlier try
 * came to, whose items are not embedded again unless they have changed. `onLimit` is given what was done so far when a
 * limit ends this try.
 */
export async function placeItems(
  work: Work,
  refs: readonly ItemRef[],
  before: readonly Print[] = [],
  onLimit: (prints: readonly Print[]) => Promise<void> = () => Promise.resolve(),
): Promise<Placed> {
  const { ports, project, settings, signal, turn } = work;
  const embedding = openEmbedding(ports, settings, signal, turn);
  const prints: Print[] = refs.map((_, at) => before[at] ?? null);
  const items = await readItems(ports.redis, project, refs, settings.cutCodePoints);
  const due = refs.flatMap((ref, at): ReadyPlace[] => {
    const item = items[at] ?? 'gone';
    return noteAndIsDue(prints, at, item) ? [{ at, ref, item }] : [];
  });
  try {
    for (let at = 0; at < due.length;) {
      const some = due.slice(at, at + embedding.room());
      try {
        await placeSome(work, embedding, prints, some);
        at += some.length;
      } catch (error) {
        // The next call brings fewer; a single text has been waited for, as far as it is waited here.
        if (some.length === 1 || !isTooMany(error)) throw error;
      }
    }
  } catch (error) {
    if (LIMITS.some((code) => isCode(error, code))) await onLimit(prints);
    throw error;
  }
  return { prints, embedding };
}

const LIMITS = ['embedder-limit', 'embedder-quota', 'vector-quota'] as const;

/** Embeds the items with one call and writes what came of it. */
async function placeSome(
  { ports, project, signal }: Work,
  embedding: Embedding,
  prints: Print[],
  places: readonly ReadyPlace[],
): Promise<void> {
  const vectors = await embedding.embed(places.map(({ item }) => item.text));
  throwIfAborted(signal);
  const written: StoredVector[] = [];
  const embedded: (readonly [place: ReadyPlace, print: Print])[] = [];
  for (const [index, place] of places.entries()) {
    const values: Embedded = vectors[index] ?? 'bad-embedding';
    if (typeof values === 'string') {
      prints[place.at] = [place.item.hash, values];
      continue;
    }
    embedded.push([place, printOf(place.item, values)]);
    written.push({ id: place.ref[0], values, metadata: place.item.metadata });
  }
  if (written.length === 0) return;
  const refused = await upsertIsolating(ports.vectors, project, written);
  for (const [{ at, ref, item }, print] of embedded) {
    prints[at] = refused.has(ref[0]) ? [item.hash, 'index-refused'] : print;
  }
}

/** Notes what is final about an item; whether it is yet to be embedded as it is now. */
function noteAndIsDue(prints: Print[], at: number, item: ReadItem): item is ReadyItem {
  if (item !== 'gone' && !('skip' in item)) return hashOf(prints[at] ?? null) !== item.hash;
  prints[at] = item === 'gone' ? null : ['', item.skip];
  return false;
}

/**
 * Writes vectors; returns the ids of those that the index refuses to take. A batch that is refused as a whole is halved
 * until the vectors that are to blame stand alone, unless its first and its last are both refused: then the namespace is
 * what the index refuses, and all of them are.
 */
async function upsertIsolating(
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
