import pMap from 'p-map';
import { AppError } from '../errors.js';
import { readKnown } from '../control/read-known.js';
import type { ObjectStore } from '../ports/store.js';
import type { RunRecord } from '../runs/model.js';
import type { Ranges, ReindexCheckpoint } from './checkpoint.js';
import { batchSchema, type Batch, type ItemRef } from './model.js';

/** Objects of the store that are written or read beside each other. */
export const OBJECTS_AT_ONCE = 12;

export type BatchPhase = 'embed' | 'late' | 'settle';

/** Items of one cluster stand together, so that a batch asks few sets whether its items are in them. */
export function cutBatches(project: string, items: readonly ItemRef[], size: number): Batch[] {
  const ordered = [...items].sort(([a, inA], [b, inB]) => compare(inA, inB) || compare(a, b));
  const batches: Batch[] = [];
  for (let at = 0; at < ordered.length; at += size) {
    batches.push({ project, items: ordered.slice(at, at + size).map(([id, cluster]) => [id, cluster]) });
  }
  return batches;
}

/** Writes batches down under numbers from `first` on. `fence`: two legs never write the same object. */
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

/** The ranges with batches of this leg from `first` on. */
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
 * The batch that a task of the settling is for: those of the plan come first, then the late ones. Its items stand in the
 * order in which they were embedded.
 */
export async function readSettled(
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

/** Where the batch of a task of the settling comes from. */
export function originOf({ batches }: Pick<ReindexCheckpoint, 'batches'>, task: number) {
  return task < batches
    ? ({ kind: 'embed', number: task } as const)
    : ({ kind: 'late', number: task - batches } as const);
}

function batchName(run: string, kind: BatchPhase, fence: number, number: number): string {
  return `runs/${run}/batches/${kind}-${fence}-${String(number).padStart(6, '0')}.json`;
}

async function load(store: ObjectStore, name: string): Promise<Batch> {
  const batch = await readKnown(store, name, batchSchema);
  if (batch !== null) return batch;
  throw new AppError('damaged', `${name} is gone from the store, or cannot be read`, {
    hint: 'Something removes objects under runs/ while a run is at work. Stop it and start the re-index again.',
  });
}

function compare(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
