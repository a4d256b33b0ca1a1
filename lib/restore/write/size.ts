import type { RedisArgument } from '../../ports/redis.js';
import type { RecordLine, RecordValue } from '../../snapshot/record.js';
import type { Text } from '../../soulcaster/text.js';

/**
 * Upstash refuses requests over 10 MB (upstash.com/docs/redis/troubleshooting/max_request_size_exceeded). Sizes here
 * are those of `wireBytes`; JSON escaping lengthens a text up to six times, so a page stays below the limit.
 */
export const PAGE_BYTES = 1024 * 1024;
/** Elements of a page, in all of its commands. */
export const PAGE_ELEMENTS = 2000;
/** Elements of a command: a pair of a hash counts once, and a script can unpack at most 7,000 arguments. */
export const COMMAND_ELEMENTS = 1000;

/** The size of a batch of ordinary records: one transaction, which blocks the database's other clients. */
export const BATCH_BYTES = 384 * 1024;
export const BATCH_KEYS = 500;

/** Expiry of staged keys, which a process that dies leaves behind. */
export const STAGED_TTL_MS = 24 * 60 * 60 * 1000;

export function toArgument(text: Text): RedisArgument {
  return typeof text === 'string' ? text : Buffer.from(text.b, 'base64');
}

/** The approximate bytes in a request: data that are not UTF-8 are sent as hex. */
export function wireBytes(argument: RedisArgument): number {
  if (typeof argument === 'string') return Buffer.byteLength(argument);
  return typeof argument === 'number' ? String(argument).length : 2 * argument.length;
}

export function textBytes(text: Text): number {
  return typeof text === 'string' ? Buffer.byteLength(text) : Buffer.byteLength(text.b, 'base64');
}

/** The size of a line's key and value, in the database and in a request; not of the names in `fx` and a stream's groups. */
export function sizeOf(line: RecordLine): { readonly bytes: number; readonly wire: number } {
  let [bytes, wire] = [0, 0];
  const add = (text: Text): void => {
    const length = textBytes(text);
    bytes += length;
    wire += typeof text === 'string' ? length : 2 * length;
  };
  add(line.k);
  for (const text of textsOf(line.v)) add(text);
  return { bytes, wire };
}

export function* textsOf(value: RecordValue): Generator<Text> {
  if (isText(value)) {
    yield value;
    return;
  }
  if (Array.isArray(value)) {
    for (const item of value as readonly (Text | readonly Text[])[]) {
      if (Array.isArray(item)) yield* item as readonly Text[];
      else yield item as Text;
    }
    return;
  }
  for (const [id, fields] of (value as { entries: readonly (readonly [string, readonly Text[]])[] }).entries) {
    yield id;
    yield* fields;
  }
}

function isText(value: RecordValue): value is Text {
  return typeof value === 'string' || 'b' in value;
}

/** Whether the line is of a collection and has no elements: Redis has no empty collections. */
export function isEmpty({ t, v }: RecordLine): boolean {
  return t !== 'string' && t !== 'json' && Array.isArray(v) && v.length === 0;
}
