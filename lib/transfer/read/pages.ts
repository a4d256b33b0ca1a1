import type { ExpiryTime, RecordLine, RecordType, StreamValue } from '../../snapshot/record.js';
import { toText, type Text } from '../../soulcaster/text.js';
import { countTextBytes } from './items.js';

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
  return { value: [id, fields], bytes: fields.reduce((sum, text) => sum + countTextBytes(text), id.length) };
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
