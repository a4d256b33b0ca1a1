import { textBytes } from '../../restore/write/size.js';
import type { RecordLine, ExpiryTime, RecordType, StreamValue } from '../../snapshot/record.js';
import { toText, type Text } from '../../soulcaster/text.js';
import type { Selection } from '../../soulcaster/selection.js';
import { FileFault } from '../fault.js';
import type { TtlUnit } from '../formats.js';

/**
 * An item of a reader, in the order of the file. `line`: a record line in the form of parts; the lines of one key follow
 * one another. `lost`: a key of the file that cannot become a record (`failed`), or whose type has no record form
 * (`unsupported`, with the type as reason); `key` is null when the file does not name it.
 */
export type Item =
  | { readonly line: RecordLine }
  | { readonly lost: 'failed' | 'unsupported'; readonly key: Buffer | null; readonly reason: string };

type FileFormat = 'export' | 'records' | 'json' | 'resp' | 'rdb';

/** The first line of an export. */
export interface ExportHead {
  readonly snapshot: string;
  readonly source: string;
  readonly label?: string | undefined;
  readonly window: { readonly from: string; readonly to: string };
  /** `incomplete`: the snapshot lacked keys. */
  readonly state: 'complete' | 'incomplete';
  /** Keys that the snapshot lacked and could have held. */
  readonly lacks: number;
  /** Keys of types that no snapshot can hold, by type. */
  readonly unsupported: Readonly<Record<string, number>>;
  /** The selected keys; null for all. */
  readonly selection: Selection | null;
}

/** A file that is being read; `facts` are complete when `items` has ended. */
export interface Reading {
  readonly format: FileFormat;
  readonly items: AsyncGenerator<Item>;
  readonly facts: ReadingFacts;
}

export interface ReadingFacts {
  head: ExportHead | null;
  /** When the content was read from the database, in milliseconds since the epoch; null when the file does not say. */
  takenAt: number | null;
  /** Sentences for the operator: what was skipped, and what could not be verified. */
  readonly remarks: string[];
}

export interface ReadOptions {
  /** The base of relative times, in milliseconds since the epoch. */
  readonly from: number;
  readonly ttlUnit: TtlUnit;
  /** The database to read; null: the only one with keys in the file. */
  readonly database: number | null;
  /** Size of the file on disk, to detect impossible lengths. */
  readonly size: number;
}

/** A record with more bytes of values than this is split into several lines. */
const PAGE_BYTES = 1024 * 1024;
const PAGE_ELEMENTS = 1000;

export interface RecordHead {
  readonly key: Buffer;
  readonly type: RecordType;
  readonly expiry: ExpiryTime | null;
}

/**
 * An element of a collection in the form of `v`: an item, a pair, or a stream's entry; `expiry`: of a hash's field. The
 * elements of a string are its pieces.
 */
export interface Element {
  readonly value: unknown;
  readonly bytes: number;
  readonly expiry?: ExpiryTime | undefined;
}

export function toItem(bytes: Buffer): Element {
  return { value: toText(bytes), bytes: bytes.length };
}

export function toPair(first: Buffer, second: Buffer, expiry?: ExpiryTime): Element {
  return { value: [toText(first), toText(second)], bytes: first.length + second.length, expiry };
}

export function toScored(member: Buffer, score: string): Element {
  return { value: [toText(member), score], bytes: member.length + score.length };
}

export function toEntry(id: string, fields: readonly Text[]): Element {
  return { value: [id, fields], bytes: fields.reduce((sum, text) => sum + textBytes(text), id.length) };
}

/** Builds the lines of one key's record from its elements. */
export class LineBuilder {
  private values: unknown[] = [];
  private expiries: [Text, ExpiryTime][] = [];
  private bytes = 0;
  private number = 0;

  constructor(private readonly head: RecordHead) {}

  /** Returns the previous line when the element does not fit into it. */
  add(element: Element): RecordLine | null {
    const full =
      this.values.length > 0 && (this.bytes + element.bytes > PAGE_BYTES || this.values.length >= PAGE_ELEMENTS);
    const line = full ? this.takeLine(false, {}) : null;
    this.values.push(element.value);
    this.bytes += element.bytes;
    if (element.expiry !== undefined) this.expiries.push([(element.value as [Text, Text])[0], element.expiry]);
    return line;
  }

  /** The record's last line; `tail`: the additional fields of a stream. */
  end(tail: Omit<StreamValue, 'entries'> = {}): RecordLine {
    return this.takeLine(true, tail);
  }

  private takeLine(last: boolean, tail: Omit<StreamValue, 'entries'>): RecordLine {
    const { key, type, expiry } = this.head;
    const v =
      type === 'stream' ? { entries: this.values, ...tail } : type === 'string' ? this.joinPieces() : this.values;
    const line = {
      k: toText(key),
      t: type,
      ...(expiry === null ? {} : { x: expiry }),
      ...(last && this.number === 0 ? {} : { i: this.number, ...(last ? { last: true } : {}) }),
      v,
      ...(this.expiries.length === 0 ? {} : { fx: this.expiries }),
    } as RecordLine;
    this.number += 1;
    [this.values, this.expiries, this.bytes] = [[], [], 0];
    return line;
  }

  /** Pieces are joined as bytes and then decoded, so that a character at a cut stays whole. */
  private joinPieces(): Text {
    return toText(Buffer.concat(this.values as Buffer[]));
  }
}

const PIECE_BYTES = PAGE_BYTES / 4;

/** A string's bytes as elements of limited size. */
export function* splitString(bytes: Buffer): Generator<Element> {
  if (bytes.length === 0) yield { value: bytes, bytes: 0 };
  for (let at = 0; at < bytes.length; at += PIECE_BYTES) {
    const value = bytes.subarray(at, at + PIECE_BYTES);
    yield { value, bytes: value.length };
  }
}

export function* buildRecord(
  head: RecordHead,
  elements: Iterable<Element>,
  tail?: Omit<StreamValue, 'entries'>,
): Generator<RecordLine> {
  const builder = new LineBuilder(head);
  for (const element of elements) {
    const line = builder.add(element);
    if (line !== null) yield line;
  }
  yield builder.end(tail);
}

/** Selects the keys of one database of a file: the wanted one, or the only one that has any. */
export class DatabaseFilter {
  private only: number | null = null;
  /** How many keys or commands of each other database were skipped. */
  readonly skipped = new Map<number, number>();

  constructor(private readonly wanted: number | null) {}

  /** Throws FileFault where no database is wanted and the file has keys of a second one. */
  wants(database: number, where: string): boolean {
    if (this.wanted !== null && database !== this.wanted) {
      this.skipped.set(database, (this.skipped.get(database) ?? 0) + 1);
      return false;
    }
    this.only ??= database;
    if (this.only === database) return true;
    throw new FileFault(
      'usage',
      where,
      `it has keys of database ${this.only} and of database ${database}`,
      `Upstash has one database: choose one, such as --database ${this.only}.`,
    );
  }

  get allSkipped(): number {
    return [...this.skipped.values()].reduce((sum, count) => sum + count, 0);
  }
}
