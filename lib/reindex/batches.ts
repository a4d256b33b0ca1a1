import pMap from 'p-map';
import { AppError } from '../errors.js';
import { readKnown } from '../control/object.js';
import type { ObjectStore } from '../ports/store.js';
import type { RunRecord } from '../runs/model.js';
import type { Ranges, ReindexCheckpoint } from './checkpoint.js';
import { batchSchema, type Batch, type ItemRef } from './model.js';

/** Objects of the store that are written or read beside each other. */
export const OBJECTS_AT_ONCE = 12;

type BatchPhase = 'embed' | 'late' | 'settle';

/** Items of one cluster stand together, so that a batch asks few sets whether its items are in them. */
export function cutBatches(project: string, items: readonly ItemRef[], size: number): Batch[] {
  const ordered = [...items].sort(([a, inA], [b, inB]) => compare(inA, inB) || compare(a, b));
  const batches: Batch[] = [];
  for (let at = 0; at < ordered.length; at += size) {
    batches.push({ project, items: ordered.slice(at, at + size).map(([id, cluster]) => [id, cluster]) });
  }
  return batches;
}

/** Writes batches down under numbers from `first` on. `fence`: two attempts never write the same object. */
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

/** The ranges with batches of this attempt from `first` on. */
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
  return load(store, batchName(run.id, kind, fence, number));
}

/**
 * The batch that a task of the reconciling is for: those of the plan come first, then the late ones. Its items stand in the
 * order in which they were embedded.
 */
export async function readReconciled(
  store: ObjectStore,
  run: Pick<RunRecord, 'id'>,
  state: ReindexCheckpoint,
  task: number,
): Promise<Batch> {
  const fence = state.recast.find(([number]) => number === task)?.[1];
  if (fence !== undefined) return load(store, batchName(run.id, 'settle', fence, task));
  const { kind, number } = originOf(state, task);
  return readBatch(store, run, state, kind, number);
}

/** Where the batch of a task of the reconciling comes from. */
export function originOf({ batches }: Pick<ReindexCheckpoint, 'batches'>, task: number) {
  return task < batches
    ? ({ kind: 'embed', number: task } as const)
    : ({ kind: 'late', number: task - batches } as const);
}

const BATCH = /(\d+)-(\d{6})\.json$/;

/** The newest object of each number of a run's batches: where an attempt died, a later one wrote its number again. */
export async function batchNumbers(
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

/** Throws `damaged` when the object is gone. */
export function loadNumbered(store: ObjectStore, name: string): Promise<Batch> {
  return load(store, name);
}

function batchName(run: string, kind: BatchPhase, fence: number, number: number): string {
  return `runs/${run}/batches/${kind}-${fence}-${String(number).padStart(6, '0')}.json`;
}

async function load(store: ObjectStore, name: string): Promise<Batch> {
  const batch = await readKnown(store, name, batchSchema);
  if (batch !== null) return batch;
  throw new AppError('damaged', `${name} is gone from the store, or cannot be read`, {
    hint: 'Something removes objects under runs/ while a run is in progress. Stop it and start the re-index again.',
  });
}

function compare(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
