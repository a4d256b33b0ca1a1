import type {
  JsonArguments,
  RedisArgument,
  RedisCommand,
  RedisPort,
  RedisReply,
  SentCommand,
} from '../../ports/redis.js';
import type { RecordLine } from '../../snapshot/record.js';
import { atOnce } from '../../redis/at-once.js';
import type { Mode } from '../model.js';
import { batchError } from './errors.js';

/**
 * What was done with the records, and the bytes of the written keys and values. A request whose reply was lost is sent
 * again and then finds its own work: so `missing` may count a key that it wrote as kept, and `removed` may be too low.
 */
export interface WriteCounts {
  readonly written: number;
  /** Keys that existed and were kept: mode `missing`. */
  readonly kept: number;
  /** Keys that existed and are expired in the snapshot: mode `replace`. */
  readonly removed: number;
  /** Expired records, whether their keys existed or not. */
  readonly expired: number;
  readonly bytes: number;
}

export const NO_COUNTS: WriteCounts = { written: 0, kept: 0, removed: 0, expired: 0, bytes: 0 };

export function addCounts(a: WriteCounts, b: WriteCounts): WriteCounts {
  return {
    written: a.written + b.written,
    kept: a.kept + b.kept,
    removed: a.removed + b.removed,
    expired: a.expired + b.expired,
    bytes: a.bytes + b.bytes,
  };
}

/** State shared by all writers of one `writeRecords`. */
export interface Writer {
  readonly wire: Wire;
  readonly mode: Mode;
  /** Milliseconds since the epoch. */
  now(): number;
  /** A unique name for a staged key; text. */
  stagedName(): string;
  /** Throws `redis-command` unless the target supports HPEXPIREAT; probes once. */
  needFieldExpiry(): Promise<void>;
}

/** An ordinary record: one line that needs no page of itself. */
export interface BatchItem {
  readonly line: RecordLine;
  readonly key: RedisArgument;
  /** Bytes of key and value, as they are in the database. */
  readonly bytes: number;
  /** The value as arguments of one command, as stored in the part; null when commands have to be built from it. */
  readonly args: JsonArguments | null;
}

/** The part of the port that a restore uses, until it is stopped. */
export interface Wire {
  /** The most bytes of a page: less than PAGE_BYTES when the target's limit is low. */
  readonly pageBytes: number;
  /** Throws the signal's reason and sends nothing once one of the signals is aborted. */
  pipeline(commands: readonly RedisCommand[]): Promise<RedisReply[]>;
  transaction(commands: readonly SentCommand[]): Promise<RedisReply[]>;
  /** Tries to remove staged keys; never throws. Keys that it leaves expire. */
  sweep(keys: readonly string[]): Promise<void>;
}

/** `signal` stops everything; `failed` is aborted when one of several writers fails, and lets them clean up. */
export function openWire(redis: RedisPort, pageBytes: number, signal: AbortSignal, failed: AbortSignal): Wire {
  const send = async <C extends SentCommand>(
    commands: readonly C[],
    run: (commands: readonly C[]) => Promise<RedisReply[]>,
  ): Promise<RedisReply[]> => {
    signal.throwIfAborted();
    failed.throwIfAborted();
    try {
      return await run(commands);
    } catch (error) {
      throw batchError(error, commands);
    }
  };
  return {
    pageBytes,
    pipeline: (commands) => send(commands, (some) => redis.pipeline(some)),
    transaction: (commands) => send(commands, (some) => atOnce(redis, some)),
    async sweep(keys) {
      if (signal.aborted || keys.length === 0) return;
      await redis.pipeline([['UNLINK', ...keys]]).catch(() => undefined);
    },
  };
}
