import type { JsonArguments, RedisArgument } from '../../ports/redis.js';
import type { RecordLine } from '../../snapshot/record.js';
import type { Mode } from '../model.js';
import type { Wire } from './wire.js';

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
