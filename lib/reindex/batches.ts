import pMap from 'p-map';
import { AppError } from '../errors.js';
import { readKnown } from '../control/object.js';
import type { ObjectStore } from '../ports/store.js';
import type { RunRecord } from '../runs/model.js';
import type { Ranges, ReindexCheckpoint } from './checkpoint.js';
import { batchSchema, type Batch, type ItemRef } from './model.js';

/** Objects of the store that are written or read concurrently. */
export const OBJECTS_AT_ONCE = 12;

type BatchPhase = 'embed' | 'late' | 'settle';

/** Items are ordered by cluster, so that a batch needs few sets to check membership. */
export function cutBatches(project: string, items: readonly ItemRef[], size: number): Batch[] {
  const ordered = [...items].sort(([a, inA], [b, inB]) => compare(inA, inB) || compare(a, b));
  const batches: Batch[] = [];
  for (let at = 0; at < ordered.length; at += size) {
    batches.push({ project, items: ordered.slice(at, at + size).map(([id, cluster]) => [id, cluster]) });
  }
  return batches;
}

/** Stores numbered batches. `fence` keeps two attempts from writing the same object. */
export async function storeBatches(
  store: ObjectStore,
  run: string,
  kind: BatchPhase,
  fence: number,
  batches: readonly (readonly [number: number, batch: Batch])[],
): Promise<void> {
  await pMap(
    batches,
    ([number, batch]) =>
      store.create(batchName(run, kind, fence, number), Buffer.from(JSON.stringify(batch))).then(() => undefined),
    { concurrency: OBJECTS_AT_ONCE },
  );
}

/** The ranges, extended by the batches of this attempt from number `first` on. */
export function withRange(ranges: Ranges, first: number, fence: number): Ranges {
  return ranges.at(-1)?.[1] === fence ? ranges : [...ranges, [first, fence]];
}

export async function readBatch(
  store: ObjectStore,
  run: Pick<RunRecord, 'id'>,
  state: Pick<ReindexCheckpoint, 'ranges' | 'lateRanges'>,
  kind: 'embed' | 'late',
  number: number,
): Promise<Batch> {
  const ranges = kind === 'embed' ? state.ranges : state.lateRanges;
  const fence = ranges.findLast(([first]) => first <= number)?.[1] ?? 0;
  return loadBatch(store, batchName(run.id, kind, fence, number));
}

/**
 * The batch of a reconcile task: batches of the plan come first, then the late ones. Its items are in the order in which
 * they were embedded.
 */
export async function loadReconcileBatch(
  store: ObjectStore,
  run: Pick<RunRecord, 'id'>,
  state: ReindexCheckpoint,
  task: number,
): Promise<Batch> {
  const fence = state.recast.find(([number]) => number === task)?.[1];
  if (fence !== undefined) return loadBatch(store, batchName(run.id, 'settle', fence, task));
  const { kind, number } = originOf(state, task);
  return readBatch(store, run, state, kind, number);
}

/** The phase and number of the batch of a reconcile task. */
export function originOf({ batches }: Pick<ReindexCheckpoint, 'batches'>, task: number) {
  return task < batches
    ? ({ kind: 'embed', number: task } as const)
    : ({ kind: 'late', number: task - batches } as const);
}

const BATCH = /(\d+)-(\d{6})\.json$/;

/** The newest object of each batch number: after a dead attempt, a later one has written the same number again. */
export async function listBatches(
  store: ObjectStore,
  run: string,
  kind: 'embed' | 'late',
): Promise<ReadonlyMap<number, string>> {
  const newest = new Map<number, readonly [fence: number, name: string]>();
  for await (const { name } of store.list(`runs/${run}/batches/${kind}-`)) {
    const [, fence = '', number = ''] = BATCH.exec(name) ?? [];
    const known = newest.get(Number(number));
    if (number !== '' && (known === undefined || known[0] < Number(fence)))
      newest.set(Number(number), [Number(fence), name]);
  }
  return new Map([...newest].map(([number, [, name]]) => [number, name]));
}

function batchName(run: string, kind: BatchPhase, fence: number, number: number): string {
  return `runs/${run}/batches/${kind}-${fence}-${String(number).padStart(6, '0')}.json`;
}

/** Throws `damaged` if the object is missing or cannot be read. */
export async function loadBatch(store: ObjectStore, name: string): Promise<Batch> {
  const batch = await readKnown(store, name, batchSchema);
  if (batch !== null) return batch;
  throw new AppError('damaged', `${name} is missing from the store, or cannot be read`, {
    hint: 'Something removes objects under runs/ while a run is in progress. Find and stop it, then start the re-index again.',
  });
}

function compare(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
