import type { JsonArguments, RedisArgument } from '../../ports/redis.js';
import type { RecordLine } from '../../snapshot/record.js';
import type { Mode } from '../model.js';
import type { Wire } from './wire.js';

/**
 * What became of the records, and the bytes of the keys and values that were written. A request whose reply was lost is
 * sent again and then finds its own work: so `missing` may count a key it wrote as kept, and `removed` may be too low.
 */
export interface WriteCounts {
  readonly written: number;
  /** Was there and was left alone: mode `missing`. */
  readonly kept: number;
  /** Was there, and the snapshot has it as expired: mode `replace`. */
  readonly removed: number;
  /** Records that are not to be there any more, whether their keys were or not. */
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

/** What all writers of one `writeRecords` share. */
export interface Writer {
  readonly wire: Wire;
  readonly mode: Mode;
  /** Milliseconds since the epoch. */
  now(): number;
  /** A name for a staged key that nobody else has; text. */
  stagedName(): string;
  /** Throws `redis-command` unless the target knows HPEXPIREAT; asks once. */
  needFieldExpiry(): Promise<void>;
}

/** An ordinary record: one line that takes no separate page. */
export interface BatchItem {
  readonly line: RecordLine;
  readonly key: RedisArgument;
  /** Of key and value, as they are in the database. */
  readonly bytes: number;
  /** The value as arguments of one command, as it stands in the part; null where it has to be made into commands. */
  readonly args: JsonArguments | null;
}
