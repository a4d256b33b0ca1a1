import type { StoredVector } from '../../ports/vector-index.js';
import type { Turn } from '../../runs/model.js';
import { throwIfAborted, type ReindexPorts, type ReindexSettings } from '../context.js';
import { readItems, type ReadItem, type ReadyItem } from '../items.js';
import type { ItemRef } from '../model.js';
import { hashOf, printOf, type Print } from './prints.js';
import { openEmbedding, isCode, type Embedded, type Embedding } from './vectors.js';
import { upsertIsolating } from './upsert.js';

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
 * whole, from the item as it is. `before`: what an earlier try came to, whose items are not embedded again unless they
 * have changed. `onLimit` is given what was done so far when the rate limit ends this try.
 */
export async function placeItems(
  work: Work,
  refs: readonly ItemRef[],
  before: readonly Print[] = [],
  onLimit: (prints: readonly Print[]) => Promise<void> = () => Promise.resolve(),
): Promise<Placed> {
  const embedding = openEmbedding(work.ports, work.settings, work.signal, work.turn);
  const prints: Print[] = refs.map((_, at) => before[at] ?? null);
  const isDue = (place: Place): place is ReadyPlace => note(prints, place);
  const items = await look(work, refs);
  let places = refs.map((ref, at): Place => ({ at, ref, item: items[at] ?? 'gone' })).filter(isDue);
  try {
    for (let round = 0; places.length > 0 && round <= REPEATS; round++) {
      const now = await placeOnce(work, embedding, prints, places);
      await removeDead(work, now);
      places = now.filter(isDue);
    }
  } catch (error) {
    if (isCode(error, 'embedder-limit') || isCode(error, 'embedder-quota') || isCode(error, 'vector-quota')) {
      await onLimit(prints);
    }
    throw error;
  }
  return { prints, embedding };
}

/** Embeds the items in calls that the rate limit takes, and returns how those written look now. */
async function placeOnce(
  work: Work,
  embedding: Embedding,
  prints: Print[],
  places: readonly ReadyPlace[],
): Promise<Place[]> {
  const now: Place[] = [];
  for (let at = 0; at < places.length;) {
    const some = places.slice(at, at + embedding.room());
    try {
      now.push(...(await placeSome(work, embedding, prints, some)));
      at += some.length;
    } catch (error) {
      // The next call brings fewer; a single text has been waited for, as far as it is waited here.
      if (some.length === 1 || !isCode(error, 'embedder-limit')) throw error;
    }
  }
  return now;
}

/** Embeds the items with one call, writes what came of it, and returns how those written look now. */
async function placeSome(
  work: Work,
  embedding: Embedding,
  prints: Print[],
  places: readonly ReadyPlace[],
): Promise<Place[]> {
  const vectors = await embedding.embed(places.map(({ item }) => item.text));
  throwIfAborted(work.signal);
  const written: (ReadyPlace & { readonly values: Float32Array })[] = [];
  const embedded = new Map<number, Print>();
  for (const [index, place] of places.entries()) {
    const values: Embedded = vectors[index] ?? 'bad-embedding';
    if (typeof values === 'string') prints[place.at] = [place.item.hash, values];
    else {
      embedded.set(place.at, printOf(place.item, values));
      written.push({ ...place, values });
    }
  }
  if (written.length === 0) return [];
  // Looked at while the write is under way: a later change is seen when everything is looked at again in the end.
  const [now, refused] = await Promise.all([
    look(
      work,
      written.map(({ ref }) => ref),
    ),
    upsertIsolating(work.ports.vectors, work.project, written.map(storedOf)),
  ]);
  for (const { at, ref, item } of written) {
    prints[at] = refused.has(ref[0]) ? [item.hash, 'index-refused'] : (embedded.get(at) ?? null);
  }
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
