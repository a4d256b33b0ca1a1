import { z } from 'zod';
import { decodeJson, encodeJson, type Json } from '../json.js';
import type { ObjectStore } from '../ports/store.js';
import type { StoredVector, VectorIndex } from '../ports/vector-index.js';
import type { Attempt, RunRecord, Turn } from '../runs/model.js';
import { keepLocks } from '../soulcaster/locks.js';
import { readBatch } from './batches.js';
import { inputOf, type ReindexCheckpoint, stateOf } from './checkpoint.js';
import { type ReindexPorts, type ReindexSettings, throwIfAborted } from './context.js';
import { type ItemMetadata, readItems, type ReadyItem } from './items.js';
import {
  addSpent,
  type ItemRef,
  NOTHING_SPENT,
  type ReindexInput,
  SKIP_REASONS,
  type SkipReason,
  type Spent,
  spentSchema,
} from './model.js';
import { isCode, isIndexRefusal, unlessRefused } from './refusal.js';
import { type Embedded, type Embedding, isLimitError, lengthOf, openEmbedding } from './vectors.js';

/** A type, not an interface: it is stored as JSON. */
export type EmbedResult = { readonly prints: readonly Fingerprint[]; readonly spent: Spent };

/** Embeds one batch. Idempotent: only items recorded by an earlier try of this task are skipped. */
export async function embedTask(
  ports: ReindexPorts,
  settings: ReindexSettings,
  kind: 'embed' | 'late',
  run: RunRecord,
  task: number,
  signal: AbortSignal,
  turn: Turn,
): Promise<Json> {
  const state = stateOf(run);
  const batch = await readBatch(ports.store, run, state, kind, task);
  const work = { ports, settings, project: batch.project, signal, turn };
  const before = await loadPartial(ports.store, run.id, kind, task);
  const [outcome] = await Promise.all([
    unlessRefused(ports.vectors, () =>
      embedItems(work, batch.items, before.prints, (prints, spent) =>
        savePartial(ports.store, run.id, kind, task, { prints, spent: addSpent(before.spent, spent) }),
      ),
    ),
    renewLocksPeriodically(ports, state, run, task),
  ]);
  if ('refused' in outcome) {
    return {
      prints: batch.items.map(() => ['', 'index-refused'] as const),
      spent: before.spent,
    } satisfies EmbedResult;
  }
  const { prints, embedding } = outcome.done;
  return { prints, spent: addSpent(before.spent, embedding.spent()) } satisfies EmbedResult;
}

/** Checking the locks costs a request. They last for minutes, so one task in this many is often enough. */
const TASKS_PER_RENEWAL = 5;

export async function renewLocksPeriodically(
  ports: Pick<ReindexPorts, 'redis'>,
  state: ReindexCheckpoint,
  run: RunRecord,
  task: number,
): Promise<void> {
  if (task % TASKS_PER_RENEWAL === 0) await keepLocks(ports.redis, lockedProjects(inputOf(run), state), run.id);
}

/**
 * Data from before there were projects has no lock. Building beside takes no locks: it may take days, and its vectors are
 * checked again at the end.
 */
export function lockedProjects({ beside }: ReindexInput, { projects }: ReindexCheckpoint): string[] {
  if (beside !== null) return [];
  return projects.map(({ project }) => project).filter((project) => project !== '');
}

/** Use of the embedder before reconciling. */
export async function embeddingSpent(attempt: Attempt): Promise<Spent> {
  let spent = NOTHING_SPENT;
  for (const phase of ['embed', 'late']) {
    for await (const { result } of attempt.results(phase))
      spent = addSpent(spent, (result as unknown as EmbedResult).spent);
  }
  return spent;
}

const partialSchema = z.object({
  prints: z.array(z.union([z.null(), z.string(), z.tuple([z.string(), z.enum(SKIP_REASONS)])])),
  /** Left out by earlier versions. */
  spent: spentSchema.default(NOTHING_SPENT),
});

/**
 * What earlier tries of a batch did before a limit ended them: the next try embeds only the rest. Otherwise a batch larger
 * than the limit of a whole minute would never finish.
 */
export async function loadPartial(
  store: ObjectStore,
  run: string,
  kind: 'embed' | 'late',
  task: number,
): Promise<EmbedResult> {
  const found = await store.read(partialName(run, kind, task));
  const partial = found === null ? undefined : partialSchema.safeParse(decodeJson(found.body)).data;
  return partial ?? { prints: [], spent: NOTHING_SPENT };
}

export async function savePartial(
  store: ObjectStore,
  run: string,
  kind: 'embed' | 'late',
  task: number,
  partial: EmbedResult,
): Promise<void> {
  const name = partialName(run, kind, task);
  const body = encodeJson(partial);
  const found = await store.read(name);
  // Losing to a concurrent try of the same task only means that some texts are embedded again.
  await (found === null ? store.create(name, body) : store.swap(name, body, found.etag));
}

function partialName(run: string, kind: 'embed' | 'late', task: number): string {
  return `runs/${run}/partial/${kind}-${String(task).padStart(6, '0')}.json`;
}

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
  onLimit: (prints: readonly Fingerprint[], spent: Spent) => Promise<void> = () => Promise.resolve(),
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
    if (LIMITS.some((code) => isCode(error, code))) await onLimit(prints, embedding.spent());
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

/**
 * The outcome of an item: null if it was gone; the hash of the embedded content followed by the beginning of the vector in
 * base64; or the hash (empty if there was nothing to hash) and why it was skipped.
 */
export type Fingerprint = null | string | readonly [hash: string, reason: SkipReason];

const HASH_DIGITS = 16;
/** This many components distinguish the vectors of two texts. */
const COMPONENTS = 4;
/** Upper bound for the error of a component after JSON, or after an index that stores fewer than 32 bits. */
const TOLERANCE = 2e-3;
const LENGTH_TOLERANCE = 1e-2;

export function fingerprintOf({ hash }: ReadyItem, vector: Float32Array): Fingerprint {
  const head = Buffer.alloc(COMPONENTS * 4);
  for (let at = 0; at < COMPONENTS; at++) head.writeFloatLE(vector[at] ?? 0, at * 4);
  return hash + head.toString('base64');
}

export function hashOf(print: Fingerprint): string {
  if (print === null) return '';
  return typeof print === 'string' ? print.slice(0, HASH_DIGITS) : print[0];
}

/** Whether a vector in the index is the one that was written, with the metadata of the current item. */
export function isAsWritten(
  stored: StoredVector | null,
  print: Fingerprint,
  metadata: ItemMetadata,
  dimensions: number,
): boolean {
  if (stored === null || typeof print !== 'string') return false;
  return hasVector(stored.values, print, dimensions) && hasMetadata(stored.metadata, metadata);
}

function hasVector(values: Float32Array, print: string, dimensions: number): boolean {
  if (values.length !== dimensions || !(Math.abs(lengthOf(values) - 1) < LENGTH_TOLERANCE)) return false;
  const head = Buffer.from(print.slice(HASH_DIGITS), 'base64');
  for (let at = 0; at < COMPONENTS; at++) {
    if (Math.abs((values[at] ?? 0) - head.readFloatLE(at * 4)) > TOLERANCE) return false;
  }
  return true;
}

/** Whether a vector has exactly the wanted metadata. */
export function hasMetadata(stored: Readonly<Record<string, string>>, wanted: ItemMetadata): boolean {
  const fields = Object.entries(wanted);
  return Object.keys(stored).length === fields.length && fields.every(([name, value]) => stored[name] === value);
}
