import { randomUUID } from 'node:crypto';
import type { Json } from '../json.js';
import type { ObjectStore } from '../ports/store.js';
import { taskResult } from '../runs/markers.js';
import type { RunRecord } from '../runs/model.js';
import { bitReader } from './bits.js';
import { openContext, spentSince, type RestorePorts, type RestoreSettings, type Spent } from './context.js';
import { keepLocks } from '../soulcaster/locks.js';
import type { TargetRecord } from './model.js';
import { recordsOf, type PlanResult } from './plan-task.js';
import { stagingPrefix } from './staged.js';
import { valueRecords } from './unite/tasks.js';
import { withFittingPages } from './write/fitting-pages.js';
import { writeRecords, type WriteCounts } from './write/index.js';

/** A type, not an interface: it is stored as JSON. */
export type WriteResult = { readonly counts: WriteCounts; readonly spent: Spent };

/** Writes what the plan says of one part. May be done twice: each key is written whole, and the same again. */
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
  const write = (pageBytes: number): Promise<WriteCounts> =>
    writeRecords(redis, chosen(valueRecords(ports, context, run.id, recordsOf(ports, context, task)), acts), {
      mode: input.mode,
      staging: `${stagingPrefix(run.id)}${randomUUID()}:`,
      inFlight: settings.inFlight,
      pageBytes,
      now: context.now,
      signal,
    });
  const counts = await withFittingPages(redis.host, write);
  return { counts, spent: spentSince(redis, before) } as unknown as Json;
}

async function plannedActs(store: ObjectStore, run: RunRecord, task: number): Promise<(at: number) => boolean> {
  const { acts } = (await taskResult(store, run.id, 'plan', task)) as unknown as PlanResult;
  return acts === null ? () => true : bitReader(acts);
}

async function* chosen(
  records: AsyncIterable<TargetRecord>,
  acts: (at: number) => boolean,
): AsyncGenerator<TargetRecord> {
  let at = 0;
  for await (const record of records) if (acts(at++)) yield record;
}
