import type { ExpiryTime } from './expiry-time.js';
import { fromText, toText, type Text } from './text.js';

export const RECORD_TYPES = ['string', 'hash', 'list', 'set', 'zset', 'stream', 'json'] as const;
export type RecordType = (typeof RECORD_TYPES)[number];

export function isRecordType(type: string): type is RecordType {
  return (RECORD_TYPES as readonly string[]).includes(type);
}

/** A counter of Redis: a number up to 2^53-1, above it the decimal digits as text. */
export type Count = number | string;

/** A pending entry of a stream's group: id, consumer, time of the last delivery in ms since the epoch, deliveries. */
export type PendingEntry = readonly [id: string, consumer: Text, deliveredAt: number, deliveries: Count];

export interface StreamGroup {
  readonly name: Text;
  readonly lastId: string;
  readonly entriesRead: Count | null;
  readonly consumers: readonly Text[];
  readonly pending: readonly PendingEntry[];
}

/** `entries` are [id, [field, value, field, value, ...]]; only a key's last line has the other fields. */
export interface StreamValue {
  readonly entries: readonly (readonly [id: string, fields: readonly Text[]])[];
  readonly lastId?: string;
  readonly maxDeletedId?: string;
  readonly entriesAdded?: Count;
  readonly groups?: readonly StreamGroup[];
}

/**
 * The value on one line. string and json: Text; list and set: Text[]; hash: [field, value][]; zset: [member, score][]
 * with the score as Redis prints it; stream: StreamValue.
 */
export type RecordValue = Text | readonly Text[] | readonly (readonly [Text, Text])[] | StreamValue;

/**
 * One line of a part. A key of ordinary size is one line without `i`. A big key is several lines, numbered by `i`, the last
 * of them with `last`; their values are joined. `void` beside `last` voids the key's lines so far: the key disappeared or
 * changed while it was read page by page.
 */
export interface RecordLine {
  readonly k: Text;
  readonly t: RecordType;
  /** When the key expires; absent when it does not. */
  readonly x?: ExpiryTime;
  readonly i?: number;
  readonly last?: true;
  readonly void?: true;
  readonly v: RecordValue;
  /** Expiry of single hash fields; absent when none has one. */
  readonly fx?: readonly (readonly [Text, ExpiryTime])[];
}

export function encodeLine(line: RecordLine): string {
  return `${JSON.stringify(line)}\n`;
}

/** Reads a line that `encodeLine` made; throws a SyntaxError for text that is not JSON. */
export function decodeLine(line: string): RecordLine {
  return JSON.parse(line) as RecordLine;
}

/** Whether a record begins on this line. */
export function startsRecord(line: RecordLine): boolean {
  return line.i === undefined || line.i === 0;
}

/** Whether a record ends on this line. */
export function endsRecord(line: RecordLine): boolean {
  return line.i === undefined || line.last === true;
}

export function keyOf(line: RecordLine): Buffer {
  return fromText(line.k);
}

/** The fields that every line of a key has. */
export function lineHead(key: Buffer, type: RecordType, expiry: ExpiryTime | null): Pick<RecordLine, 'k' | 't' | 'x'> {
  return expiry === null ? { k: toText(key), t: type } : { k: toText(key), t: type, x: expiry };
}
