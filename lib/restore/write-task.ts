import { randomUUID } from 'node:crypto';
import type { Json } from '../json.js';
import type { ObjectStore } from '../ports/store.js';
import { taskResult } from '../runs/markers.js';
import type { RunRecord } from '../runs/model.js';
import { bitReader } from './bits.js';
import {
  openContext,
  spentSince,
  type RestoreContext,
  type RestorePorts,
  type RestoreSettings,
  type Spent,
} from './context.js';
import { keepLocks } from '../soulcaster/locks.js';
import type { TargetRecord } from './model.js';
import type { PlanResult } from './plan-task.js';
import { stagingPrefix } from './staged.js';
import { targetBatches } from './target-records.js';
import { valueFilter } from './unite/tasks.js';
import { writeRecords, type WriteCounts } from './write/index.js';
import { AppError } from '../errors.js';
import { sourceBatches } from '../snapshot/source-records.js';
import { PAGE_BYTES } from './write/limits.js';

/** A type, not an interface: it is stored as JSON. */
export type WriteResult = { readonly counts: WriteCounts; readonly spent: Spent };

/** Writes the planned keys of one part. May run twice: each key is written whole, and the same again. */
export async function writeTask(
  ports: RestorePorts,
  settings: RestoreSettings,
  run: RunRecord,
  task: number,
  signal: AbortSignal,
): Promise<Json> {
  const context = await openContext(ports, run, signal);
  const { input, redis, state } = context;
  const before = redis.usage();
  const acts = await plannedActs(ports.store, run, task);
  await keepLocks(redis, state.projects, run.id);
  const write = async (pageBytes: number): Promise<WriteCounts> => {
    const isValue = await valueFilter(ports, context, run, task);
    return writeRecords(redis, plannedRecords(storedBatches(ports, context, task), isValue, acts), {
      mode: input.mode,
      staging: `${stagingPrefix(run.id)}${randomUUID()}:`,
      inFlight: settings.inFlight,
      pageBytes,
      now: context.now,
      signal,
    });
  };
  const counts = await withFittingPages(redis.host, write);
  return { counts, spent: spentSince(redis, before) } as unknown as Json;
}

async function plannedActs(store: ObjectStore, run: RunRecord, task: number): Promise<(at: number) => boolean> {
  const { acts } = (await taskResult(store, run.id, 'plan', task)) as unknown as PlanResult;
  return acts === null ? () => true : bitReader(acts);
}

/** The records of the scope that begin in the task's part. */
function storedBatches(
  ports: RestorePorts,
  context: RestoreContext,
  task: number,
): AsyncIterable<readonly TargetRecord[]> {
  const { state, manifest } = context;
  const part = state.parts[task] ?? manifest.parts.length;
  return targetBatches(sourceBatches(ports, manifest, part, 'stored'), context);
}

async function* plannedRecords(
  batches: AsyncIterable<readonly TargetRecord[]>,
  isValue: (record: TargetRecord) => boolean,
  acts: (at: number) => boolean,
): AsyncGenerator<readonly TargetRecord[]> {
  let at = 0;
  for await (const batch of batches) yield batch.filter((record) => isValue(record) && acts(at++));
}

/** The page size that each target accepted, by host: found out once per process. */
const acceptedBytes = new Map<string, number>();
/** A refusal of smaller pages is not about their size. */
const LEAST_BYTES = 16 * 1024;

/**
 * Runs work with a page size that the target accepts: when a request exceeds the limit of the target's plan (1 MB or
 * more, and JSON lengthens some texts), the work runs again with half the size. It must be safe to run twice.
 */
async function withFittingPages<T>(host: string, work: (pageBytes: number) => Promise<T>): Promise<T> {
  for (;;) {
    const pageBytes = acceptedBytes.get(host) ?? PAGE_BYTES;
    try {
      return await work(pageBytes);
    } catch (error) {
      const tooLarge = error instanceof AppError && error.code === 'redis-reply-too-large';
      if (!tooLarge || pageBytes <= LEAST_BYTES) throw error;
      // Another task may have halved the size meanwhile.
      acceptedBytes.set(host, Math.min(acceptedBytes.get(host) ?? PAGE_BYTES, pageBytes / 2));
    }
  }
}
