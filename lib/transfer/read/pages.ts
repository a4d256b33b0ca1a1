import type { ExpiryTime } from '../../snapshot/expiry-time.js';
import type { RecordLine, RecordType, StreamValue } from '../../snapshot/record.js';
import { toText, type Text } from '../../snapshot/text.js';
import { textBytes } from './items.js';

/** A record whose values come to more than this is cut into several lines. */
const PAGE_BYTES = 1024 * 1024;
const PAGE_ELEMENTS = 1000;

export interface RecordHead {
  readonly key: Buffer;
  readonly type: RecordType;
  readonly expiry: ExpiryTime | null;
}

/**
 * An element of a collection as it stands in `v`: an item, a pair, or a stream's entry; `expiry`: of a hash's field. A
 * string's elements are its pieces.
 */
export interface Element {
  readonly value: unknown;
  readonly bytes: number;
  readonly expiry?: ExpiryTime | undefined;
}

export function item(bytes: Buffer): Element {
  return { value: toText(bytes), bytes: bytes.length };
}

export function pair(first: Buffer, second: Buffer, expiry?: ExpiryTime): Element {
  return { value: [toText(first), toText(second)], bytes: first.length + second.length, expiry };
}

export function scored(member: Buffer, score: string): Element {
  return { value: [toText(member), score], bytes: member.length + score.length };
}

export function entry(id: string, fields: readonly Text[]): Element {
  return { value: [id, fields], bytes: fields.reduce((sum, text) => sum + textBytes(text), id.length) };
}

/** Gathers the elements of one key to the lines of its record. */
export class LineBuilder {
  private values: unknown[] = [];
  private expiries: [Text, ExpiryTime][] = [];
  private bytes = 0;
  private number = 0;

  constructor(private readonly head: RecordHead) {}

  /** The line that is full now, if one is. */
  add(element: Element): RecordLine | null {
    const full =
      this.values.length > 0 && (this.bytes + element.bytes > PAGE_BYTES || this.values.length >= PAGE_ELEMENTS);
    const line = full ? this.take(false, {}) : null;
    this.values.push(element.value);
    this.bytes += element.bytes;
    if (element.expiry !== undefined) this.expiries.push([(element.value as [Text, Text])[0], element.expiry]);
    return line;
  }

  /** The record's last line; `tail` is what a stream has on it. */
  end(tail: Omit<StreamValue, 'entries'> = {}): RecordLine {
    return this.take(true, tail);
  }

  private take(last: boolean, tail: Omit<StreamValue, 'entries'>): RecordLine {
    const { key, type, expiry } = this.head;
    const v = type === 'stream' ? { entries: this.values, ...tail } : type === 'string' ? this.joined() : this.values;
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

  /** Pieces are bytes: joined before they are text, so that a character cut in two stays one where it can. */
  private joined(): Text {
    return toText(Buffer.concat(this.values as Buffer[]));
  }
}

const PIECE = PAGE_BYTES / 4;

/** A string's bytes as elements, none of them long. */
export function* pieces(bytes: Buffer): Generator<Element> {
  if (bytes.length === 0) yield { value: bytes, bytes: 0 };
  for (let at = 0; at < bytes.length; at += PIECE) {
    const value = bytes.subarray(at, at + PIECE);
    yield { value, bytes: value.length };
  }
}

export function* recordOf(
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
