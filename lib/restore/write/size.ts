import type { JsonArguments, RedisArgument } from '../../ports/redis.js';
import type { RecordLine, RecordValue } from '../../snapshot/record.js';
import type { Text } from '../../soulcaster/text.js';
import type { BatchItem } from './model.js';

/** Bytes in the database, and the approximate bytes in a request: data that are not UTF-8 are sent as hex. */
interface Size {
  readonly bytes: number;
  readonly wire: number;
}

export function toArgument(text: Text): RedisArgument {
  return typeof text === 'string' ? text : Buffer.from(text.b, 'base64');
}

/** The value of a string. */
export function textOf({ args, line }: BatchItem): RedisArgument | JsonArguments {
  return args ?? toArgument(line.v as Text);
}

export function wireBytes(argument: RedisArgument): number {
  if (typeof argument === 'string') return Buffer.byteLength(argument);
  return typeof argument === 'number' ? String(argument).length : 2 * argument.length;
}

/** The size of a line's key and value; the names in `fx` and a stream's groups are not counted. */
export function sizeOf(line: RecordLine): Size {
  let [bytes, wire] = [0, 0];
  const add = (text: Text): void => {
    const length = typeof text === 'string' ? Buffer.byteLength(text) : Buffer.byteLength(text.b, 'base64');
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
