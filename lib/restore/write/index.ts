import { randomBytes } from 'node:crypto';
import type { RedisCommand, RedisPort } from '../../ports/redis.js';
import type { Mode, TargetRecord } from '../model.js';
import { writeBatch, type Batch } from './batch.js';
import { errorKind } from '../../snapshot/read/batch.js';
import { fieldExpiryError } from './errors.js';
import { BATCH_BYTES, BATCH_KEYS, COMMAND_ELEMENTS, PAGE_BYTES } from './limits.js';
import { addCounts, NO_COUNTS, type BatchItem, type WriteCounts, type Writer } from './model.js';
import { isEmpty, sizeOf, toArgument, wireBytes } from './size.js';
import { writeStaged } from './staged.js';
import { openWire, type Wire } from './wire.js';

export { stagingPrefix } from '../staged.js';
export type { WriteCounts } from './model.js';

export interface WriteOptions {
  readonly mode: Mode;
  /** Prefix for keys that are staged, as text; unique to this execution, so that two executions of one task never meet. */
  readonly staging: string;
  /** What a page may take of a request, in bytes; default PAGE_BYTES. */
  readonly pageBytes?: number;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  /** Requests under way at a time. */
  readonly inFlight: number;
  /** Nothing is sent any more after its abort; its reason is thrown. Staged keys then go away by their own expiry. */
  readonly signal: AbortSignal;
}

/**
 * Writes records, of distinct keys and in batches of any size, of which only the last may have a `rest`; each at once: a reader sees a key's old value or its new one. Ordinary records share
 * transactions; big ones and streams are put together under a staged name and renamed. All of it may be done twice.
 *
 * Throws what the port throws; `redis-command` when the target refuses a command (full, or does not know it);
 * `redis-unavailable` when a staged key went away meanwhile. What was written until then stays.
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
      // Its lines are read from where the next record is: until it is done, there is no next.
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

/** Within a batch, a command that the server does not know would take all the others with it. */
async function probeFieldExpiry(wire: Wire, absentKey: string): Promise<void> {
  const probe: RedisCommand = ['HPEXPIREAT', absentKey, 1, 'FIELDS', 1, 'f'];
  const [reply] = await wire.pipeline([probe]);
  if (reply === undefined || 'error' in reply) throw fieldExpiryError(errorKind(reply?.error ?? ''));
}

/** Batches of ordinary records, and each big record or stream by itself. */
async function* unitsOf(
  batches: AsyncIterable<readonly TargetRecord[]>,
  pageBytes: number,
): AsyncGenerator<Batch | TargetRecord> {
  const batchBytes = Math.min(BATCH_BYTES, pageBytes);
  let items: BatchItem[] = [];
  let expired: Batch['expired'][number][] = [];
  let wire = 0;
  const taken = (): Batch => {
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
      // Of a key that is not to be there the name alone is sent.
      const sent = gone ? wireBytes(toArgument(first.k)) : size.wire;
      if (wire > 0 && wire + sent > batchBytes) yield taken();
      if (gone) expired.push(toArgument(first.k));
      else items.push({ line: first, key: toArgument(first.k), bytes: size.bytes, args: argsOf(stored) });
      wire += sent;
      if (items.length + expired.length >= BATCH_KEYS) yield taken();
    }
  }
  if (items.length + expired.length > 0) yield taken();
}

/** Null where the value is more than one command takes. */
function argsOf(stored: TargetRecord['stored']): BatchItem['args'] {
  return stored !== undefined && stored.elements <= COMMAND_ELEMENTS ? stored.args : null;
}

/** A bounded number of jobs at a time. */
interface Lanes {
  /** Waits for a free lane and starts the job in it. Throws the first failure of any job instead. */
  start(job: () => Promise<void>): Promise<void>;
  /** The same, and waits for the job's end. */
  complete(job: () => Promise<void>): Promise<void>;
  /** Waits for all jobs to end, well or not; then throws the first failure. */
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
