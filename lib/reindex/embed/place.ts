import type { StoredVector } from '../../ports/vector-index.js';
import type { Turn } from '../../runs/model.js';
import { throwIfAborted, type ReindexPorts, type ReindexSettings } from '../context.js';
import { readItems, type ReadItem, type ReadyItem } from '../items.js';
import type { ItemRef } from '../model.js';
import { hashOf, printOf, type Print } from './prints.js';
import { openEmbedding, type Embedded, type Embedding } from './vectors.js';

/** How often an item that changes while it is embedded is embedded again. */
const REPEATS = 3;

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

interface Place {
  readonly at: number;
  readonly ref: ItemRef;
  readonly item: ReadItem;
}

interface ReadyPlace extends Place {
  readonly item: ReadyItem;
}

/**
 * Embeds up to 100 items of one project and writes their vectors, then looks at them again: one that was changed
 * meanwhile is embedded again, one that was deleted has its vector removed. May be done twice: each vector is written
 * whole, from the item as it is.
 */
export async function placeItems(work: Work, refs: readonly ItemRef[]): Promise<Placed> {
  const embedding = openEmbedding(work.ports, work.settings, work.signal, work.turn);
  const prints: Print[] = refs.map(() => null);
  const isDue = (place: Place): place is ReadyPlace => note(prints, place);
  const items = await look(work, refs);
  let places = refs.map((ref, at): Place => ({ at, ref, item: items[at] ?? 'gone' })).filter(isDue);
  for (let round = 0; places.length > 0 && round <= REPEATS; round++) {
    const now = await placeOnce(work, embedding, prints, places);
    await removeDead(work, now);
    places = now.filter(isDue);
  }
  return { prints, embedding };
}

/** Embeds the items, writes what came of it, and returns how those written look now. */
async function placeOnce(
  work: Work,
  embedding: Embedding,
  prints: Print[],
  places: readonly ReadyPlace[],
): Promise<Place[]> {
  const vectors = await embedding.embed(places.map(({ item }) => item.text));
  throwIfAborted(work.signal);
  const written: (ReadyPlace & { readonly values: Float32Array })[] = [];
  for (const [index, place] of places.entries()) {
    const values: Embedded = vectors[index] ?? 'bad-embedding';
    const isVector = typeof values !== 'string';
    prints[place.at] = isVector ? printOf(place.item, values) : [place.item.hash, values];
    if (isVector) written.push({ ...place, values });
  }
  if (written.length === 0) return [];
  // Looked at while the write is under way: a later change is seen when everything is looked at again in the end.
  const [now] = await Promise.all([
    look(
      work,
      written.map(({ ref }) => ref),
    ),
    work.ports.vectors.upsert(work.project, written.map(storedOf)),
  ]);
  return written.map(({ at, ref }, index) => ({ at, ref, item: now[index] ?? 'gone' }));
}

/** Notes what is final about an item; whether it is yet to be embedded as it is now. */
function note(prints: Print[], { at, item }: Place): boolean {
  if (item !== 'gone' && !('skip' in item)) return hashOf(prints[at] ?? null) !== item.hash;
  prints[at] = item === 'gone' ? null : ['', item.skip];
  return false;
}

/** Vectors that were just written for items that are gone, or cannot have one any more. */
async function removeDead({ ports, project }: Work, places: readonly Place[]): Promise<void> {
  const dead = places.filter(({ item }) => item === 'gone' || 'skip' in item).map(({ ref: [id] }) => id);
  if (dead.length > 0) await ports.vectors.remove(project, dead);
}

function storedOf({ ref: [id], item, values }: ReadyPlace & { readonly values: Float32Array }): StoredVector {
  return { id, values, metadata: item.metadata };
}

function look({ ports, project, settings }: Work, refs: readonly ItemRef[]): Promise<ReadItem[]> {
  return readItems(ports.redis, project, refs, settings.cutCodePoints);
}
