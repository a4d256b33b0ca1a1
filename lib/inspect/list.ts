import { textBytes } from '../restore/write/size.js';
import type { ExpiryTime, RecordLine, RecordType, StreamValue } from '../snapshot/record.js';
import type { Family } from '../soulcaster/keys.js';
import type { Selection } from '../soulcaster/selection.js';
import type { Text } from '../soulcaster/text.js';
import { AppError } from '../errors.js';
import type { OpenSnapshot } from './open.js';
import { selectedRecords, recordsOf, type KeyRecord, type Chosen } from './records.js';

/** A key in a snapshot, without its value. */
export interface ListedKey {
  /** Text, or `{"b": base64}` of bytes that are not UTF-8. */
  readonly key: Text;
  readonly type: RecordType;
  readonly family: Family;
  /** The project in the key's name; null where there is none. */
  readonly project: string | null;
  /** When it expires, in milliseconds since the epoch (above 2^53-1 as digits); null when it does not. */
  readonly expiresAt: ExpiryTime | null;
  /** Fields, members, items or entries; 1 for strings and documents. */
  readonly elements: number;
  /** Bytes of all texts of the value, without the overhead of Redis or JSON. */
  readonly bytes: number;
}

/** The selected keys of a snapshot, in stored order. One record at a time is in memory. */
export async function* listKeys(snapshot: OpenSnapshot, selection: Selection): AsyncGenerator<ListedKey> {
  for await (const record of selectedRecords(snapshot, selection)) yield describeKey(record);
}

/** Reads the record's `rest`. */
async function describeKey({ first, known, rest }: KeyRecord): Promise<ListedKey> {
  let [elements, bytes] = [elementsOf(first), bytesOf(first)];
  for await (const line of rest ?? []) {
    // Pieces of a string do not count as elements.
    if (line.t !== 'string') elements += elementsOf(line);
    bytes += bytesOf(line);
  }
  return {
    key: first.k,
    type: first.t,
    family: known.family,
    project: known.project,
    expiresAt: first.x ?? null,
    elements,
    bytes,
  };
}

function elementsOf({ t, v }: RecordLine): number {
  if (t === 'string' || t === 'json') return 1;
  return t === 'stream' ? (v as StreamValue).entries.length : (v as readonly unknown[]).length;
}

function bytesOf(line: RecordLine): number {
  let bytes = 0;
  for (const text of textsOf(line)) bytes += textBytes(text);
  return bytes;
}

/** All texts of a line's value: fields and values, members, items, the members of a zset, the fields of a stream's entries. */
export function* textsOf({ t, v }: RecordLine): Generator<Text> {
  if (t === 'string' || t === 'json') yield v as Text;
  else if (t === 'hash') for (const pair of v as readonly (readonly [Text, Text])[]) yield* pair;
  else if (t === 'zset') for (const [member] of v as readonly (readonly [Text, string])[]) yield member;
  else if (t === 'stream') for (const [, fields] of (v as StreamValue).entries) yield* fields;
  else yield* v as readonly Text[];
}

export interface KeyPage {
  readonly keys: readonly ListedKey[];
  /** Cursor of the next page; null when there are no more keys. A short or empty page may have one. */
  readonly next: string | null;
}

interface PageOptions {
  readonly limit: number;
  /** `next` of the previous page; null for the first. */
  readonly after: string | null;
  /** Called between records: whether the page ends early. */
  readonly timeIsUp: () => boolean;
}

const CURSOR = /^(\d{1,6})\.(\d{1,9})$/;
/** The time is checked once for this many records. */
const RECORDS_PER_TURN = 256;
/** A page also ends after this many bytes of names. */
const NAME_BYTES = 1024 * 1024;

/** A page of the chosen keys, in stored order. Throws `invalid` for an `after` that is no cursor. */
export async function pageOfKeys(
  snapshot: OpenSnapshot,
  { matches, parts }: Chosen,
  { after, limit, timeIsUp }: PageOptions,
): Promise<KeyPage> {
  const from = parseCursor(after);
  const keys: ListedKey[] = [];
  let named = 0;
  for (const part of parts) {
    if (part < from.part) continue;
    let at = 0;
    for await (const record of recordsOf(snapshot, [part])) {
      at += 1;
      if (part === from.part && at <= from.at) continue;
      if (matches(record.key, record.known) !== 'other') {
        keys.push(await describeKey(record));
        named += record.key.length;
      }
      if (keys.length === limit || named >= NAME_BYTES || (at % RECORDS_PER_TURN === 0 && timeIsUp()))
        return { keys, next: `${part}.${at}` };
    }
    if (timeIsUp()) return { keys, next: `${part}.${at}` };
  }
  return { keys, next: null };
}

function parseCursor(after: string | null): { readonly part: number; readonly at: number } {
  if (after === null) return { part: 0, at: 0 };
  const [, part, at] = CURSOR.exec(after) ?? [];
  if (part !== undefined && at !== undefined) return { part: Number(part), at: Number(at) };
  throw new AppError('invalid', 'The parameter after is not a cursor of an earlier page', {
    hint: 'Pass `next` of the previous page as `after`, or leave it out for the first page.',
  });
}
