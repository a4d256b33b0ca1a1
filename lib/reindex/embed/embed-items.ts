import type { StoredVector, VectorIndex } from '../../ports/vector-index.js';
import type { Turn } from '../../runs/model.js';
import { throwIfAborted, type ReindexPorts, type ReindexSettings } from '../context.js';
import { readItems, type ReadyItem } from '../items.js';
import type { ItemRef } from '../model.js';
import { hashOf, fingerprintOf, type Fingerprint } from './fingerprints.js';
import { openEmbedding, isCode, isLimitError, type Embedded, type Embedding } from './vectors.js';
import { isIndexRefusal } from '../refusal.js';

interface Work {
  readonly ports: Pick<ReindexPorts, 'clock' | 'embedder' | 'redis' | 'vectors'>;
  readonly settings: ReindexSettings;
  readonly project: string;
  readonly signal: AbortSignal;
  /** Limits concurrent calls of the embedder. */
  readonly turn: Turn;
}

/** The outcome of each item, in order, and the use of the embedder. */
export interface EmbeddedItems {
  readonly prints: readonly Fingerprint[];
  readonly embedding: Embedding;
}

interface DueItem {
  readonly at: number;
  readonly ref: ItemRef;
  readonly item: ReadyItem;
}

/**
 * Reads items of one project, embeds them and writes their vectors. Idempotent: each vector is written whole from the
 * current item; later changes are found when items and vectors are reconciled. `before`: the outcome of an earlier try,
 * whose items are not embedded again unless they have changed. `onLimit` receives the outcome so far if a limit ends this
 * try.
 */
export async function embedItems(
  work: Work,
  refs: readonly ItemRef[],
  before: readonly Fingerprint[] = [],
  onLimit: (prints: readonly Fingerprint[]) => Promise<void> = () => Promise.resolve(),
): Promise<EmbeddedItems> {
  const { ports, project, settings, signal, turn } = work;
  const embedding = openEmbedding(ports, settings, signal, turn);
  const prints: Fingerprint[] = refs.map((_, at) => before[at] ?? null);
  const items = await readItems(ports.redis, project, refs, settings.cutCodePoints);
  const due = refs.flatMap((ref, at): DueItem[] => {
    const item = items[at] ?? 'gone';
    if (item === 'gone' || 'skip' in item) {
      prints[at] = item === 'gone' ? null : ['', item.skip];
      return [];
    }
    return hashOf(prints[at] ?? null) === item.hash ? [] : [{ at, ref, item }];
  });
  try {
    for (let at = 0; at < due.length;) {
      const some = due.slice(at, at + embedding.maxTexts());
      try {
        await embedTogether(work, embedding, prints, some);
        at += some.length;
      } catch (error) {
        // The next call has fewer texts. For a single text, `embed` has already waited if it waits at all.
        if (some.length === 1 || !isLimitError(error)) throw error;
      }
    }
  } catch (error) {
    if (LIMITS.some((code) => isCode(error, code))) await onLimit(prints);
    throw error;
  }
  return { prints, embedding };
}

const LIMITS = ['embedder-limit', 'embedder-quota', 'vector-quota'] as const;

/** Embeds the items with one call and writes their vectors. */
async function embedTogether(
  { ports, project, signal }: Work,
  embedding: Embedding,
  prints: Fingerprint[],
  places: readonly DueItem[],
): Promise<void> {
  const vectors = await embedding.embed(places.map(({ item }) => item.text));
  throwIfAborted(signal);
  const written: StoredVector[] = [];
  const embedded: (readonly [place: DueItem, print: Fingerprint])[] = [];
  for (const [index, place] of places.entries()) {
    const values: Embedded = vectors[index] ?? 'bad-embedding';
    if (typeof values === 'string') {
      prints[place.at] = [place.item.hash, values];
      continue;
    }
    embedded.push([place, fingerprintOf(place.item, values)]);
    written.push({ id: place.ref[0], values, metadata: place.item.metadata });
  }
  if (written.length === 0) return;
  const refused = await upsertIsolating(ports.vectors, project, written);
  for (const [{ at, ref, item }, print] of embedded) {
    prints[at] = refused.has(ref[0]) ? [item.hash, 'index-refused'] : print;
  }
}

/**
 * Writes vectors; returns the ids of those that the index refuses. A refused batch is halved until the offending vectors
 * are isolated, unless its first and its last vector are both refused: then the index refuses the namespace, and thus all
 * of them.
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
