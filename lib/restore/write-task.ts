import { randomUUID } from 'node:crypto';
import type { Json } from '../json.js';
import { taskResult } from '../runs/markers.js';
import type { RunRecord } from '../runs/model.js';
import { keepLocks } from '../soulcaster/locks.js';
import { AppError } from '../errors.js';
import { bitReader } from './plan.js';
import { openContext, spentSince, type RestorePorts, type RestoreSettings, type Spent } from './context.js';
import type { TargetRecord } from './model.js';
import type { PlanResult } from './plan-task.js';
import { stagingPrefix } from './target.js';
import { storedRecordsOf } from './target-records.js';
import { valueFilter } from './unite/tasks.js';
import { writeRecords } from './write/index.js';
import type { WriteCounts } from './write/writer.js';
import { PAGE_BYTES } from './write/size.js';

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
  const { acts } = (await taskResult(ports.store, run.id, 'plan', task)) as unknown as PlanResult;
  const isPlanned = acts === null ? () => true : bitReader(acts);
  await keepLocks(redis, state.projects, run.id);
  const write = async (pageBytes: number): Promise<WriteCounts> => {
    const isValue = await valueFilter(ports, context, run, task);
    return writeRecords(redis, plannedRecords(storedRecordsOf(ports, context, task), isValue, isPlanned), {
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

async function* plannedRecords(
  batches: AsyncIterable<readonly TargetRecord[]>,
  isValue: (record: TargetRecord) => boolean,
  isPlanned: (at: number) => boolean,
): AsyncGenerator<readonly TargetRecord[]> {
  let at = 0;
  for await (const batch of batches) yield batch.filter((record) => isValue(record) && isPlanned(at++));
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
