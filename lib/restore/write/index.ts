import { randomBytes } from 'node:crypto';
import type { RedisCommand, RedisPort } from '../../ports/redis.js';
import { errorKind } from '../../snapshot/read/batch.js';
import type { Mode, TargetRecord } from '../model.js';
import { writeBatch, type Batch } from './batch.js';
import { fieldExpiryError } from './errors.js';
import {
  BATCH_BYTES,
  BATCH_KEYS,
  COMMAND_ELEMENTS,
  PAGE_BYTES,
  isEmpty,
  sizeOf,
  toArgument,
  wireBytes,
} from './size.js';
import { addCounts, NO_COUNTS, openWire, type BatchItem, type WriteCounts, type Writer, type Wire } from './writer.js';
import { writeStaged } from './staged.js';

export interface WriteOptions {
  readonly mode: Mode;
  /** Prefix of staged keys, as text; unique to this execution, so that two executions of one task never collide. */
  readonly staging: string;
  /** The most bytes of a page; default PAGE_BYTES. */
  readonly pageBytes?: number;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  /** Concurrent requests. */
  readonly inFlight: number;
  /** Nothing is sent after its abort, and its reason is thrown. Staged keys then expire. */
  readonly signal: AbortSignal;
}

/**
 * Writes records with distinct keys, in batches of any size of which only the last record may have a `rest`. Each
 * record is written in one step: a reader sees a key's old value or its new one. Ordinary records share transactions;
 * big ones and streams are staged under another name and renamed. Safe to run twice.
 *
 * Throws what the port throws; `redis-command` when the target refuses a command (full, or not supported);
 * `redis-unavailable` when a staged key vanished. What was written until then stays.
 */
export async function writeRecords(
  redis: RedisPort,
  batches: AsyncIterable<readonly TargetRecord[]>,
  options: WriteOptions,
): Promise<WriteCounts> {
  const failed = new AbortController();
  const lanes = openLanes(options.inFlight, failed);
  const writer = openWriter(redis, options, failed.signal);
  let counts = NO_COUNTS;
  const count = async (work: Promise<WriteCounts>): Promise<void> => {
    const done = await work;
    counts = addCounts(counts, done);
  };
  try {
    for await (const unit of unitsOf(batches, writer.wire.pageBytes)) {
      options.signal.throwIfAborted();
      if ('items' in unit) await lanes.start(() => count(writeBatch(writer, unit)));
      // The next record comes after its lines in the same stream, so the write must complete first.
      else if (unit.rest !== null) await lanes.complete(() => count(writeStaged(writer, unit)));
      else await lanes.start(() => count(writeStaged(writer, unit)));
    }
  } catch (error) {
    failed.abort(error);
  }
  await lanes.finish();
  return counts;
}

function openWriter(
  redis: RedisPort,
  { mode, staging, signal, now, pageBytes = PAGE_BYTES }: WriteOptions,
  failed: AbortSignal,
): Writer {
  const wire = openWire(redis, pageBytes, signal, failed);
  const unique = randomBytes(6).toString('hex');
  let names = 0;
  let fieldExpiry: Promise<void> | null = null;
  const stagedName = (): string => `${staging}${unique}:${names++}`;
  return {
    wire,
    mode,
    now,
    stagedName,
    needFieldExpiry: () => (fieldExpiry ??= probeFieldExpiry(wire, stagedName())),
  };
}

/** An unknown command would make the server refuse its whole batch, so support is probed separately. */
async function probeFieldExpiry(wire: Wire, absentKey: string): Promise<void> {
  const probe: RedisCommand = ['HPEXPIREAT', absentKey, 1, 'FIELDS', 1, 'f'];
  const [reply] = await wire.pipeline([probe]);
  if (reply === undefined || 'error' in reply) throw fieldExpiryError(errorKind(reply?.error ?? ''));
}

/** Batches of ordinary records, and each big record or stream alone. */
async function* unitsOf(
  batches: AsyncIterable<readonly TargetRecord[]>,
  pageBytes: number,
): AsyncGenerator<Batch | TargetRecord> {
  const batchBytes = Math.min(BATCH_BYTES, pageBytes);
  let items: BatchItem[] = [];
  let expired: Batch['expired'][number][] = [];
  let wire = 0;
  const takeBatch = (): Batch => {
    const batch = { items, expired };
    items = [];
    expired = [];
    wire = 0;
    return batch;
  };
  for await (const records of batches) {
    for (const record of records) {
      const { first, stored } = record;
      const size = stored === undefined ? sizeOf(first) : { bytes: stored.bytes, wire: stored.bytes };
      const gone = record.expired || (record.rest === null && stored === undefined && isEmpty(first));
      if (!gone && (record.rest !== null || first.t === 'stream' || size.wire > pageBytes)) {
        yield record;
        continue;
      }
      const isOneCommand = stored !== undefined && stored.elements <= COMMAND_ELEMENTS;
      // For a key to remove, only the name is sent.
      const sent = gone ? wireBytes(toArgument(first.k)) : size.wire;
      if (wire > 0 && wire + sent > batchBytes) yield takeBatch();
      if (gone) expired.push(toArgument(first.k));
      else
        items.push({
          line: first,
          key: toArgument(first.k),
          bytes: size.bytes,
          args: isOneCommand ? stored.args : null,
        });
      wire += sent;
      if (items.length + expired.length >= BATCH_KEYS) yield takeBatch();
    }
  }
  if (items.length + expired.length > 0) yield takeBatch();
}

/** Runs a bounded number of jobs concurrently. */
interface Lanes {
  /** Waits for a free lane and starts the job. Throws the first failure of any job instead. */
  start(job: () => Promise<void>): Promise<void>;
  /** The same, and waits until the job is done. */
  complete(job: () => Promise<void>): Promise<void>;
  /** Waits for all jobs to end, failed or not; then throws the first failure. */
  finish(): Promise<void>;
}

/** `failed` is aborted with the first failure as its reason. */
function openLanes(count: number, failed: AbortController): Lanes {
  const running = new Set<Promise<void>>();

  const free = async (): Promise<void> => {
    while (running.size >= Math.max(1, count)) await Promise.race(running);
    failed.signal.throwIfAborted();
  };
  const launch = (job: () => Promise<void>): Promise<void> => {
    const run: Promise<void> = job()
      .catch((error: unknown) => failed.abort(error))
      .finally(() => running.delete(run));
    running.add(run);
    return run;
  };

  return {
    async start(job) {
      await free();
      void launch(job);
    },
    async complete(job) {
      await free();
      await launch(job);
      failed.signal.throwIfAborted();
    },
    async finish() {
      await Promise.all(running);
      failed.signal.throwIfAborted();
    },
  };
}
