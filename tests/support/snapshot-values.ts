import type { SnapshotLine } from './snapshot-reader.js';
import { addStreamTail, scoreBytes, type ValueDigest } from './value-digest.js';

/** Bytes that are valid UTF-8 stand as text, all others in base64. */
export type SnapshotText = string | { readonly b: string };

interface StreamLine {
  readonly entries: readonly [string, readonly SnapshotText[]][];
  readonly lastId?: string;
  readonly groups?: readonly {
    readonly name: SnapshotText;
    readonly lastId: string;
    readonly consumers: readonly SnapshotText[];
    readonly pending: readonly [string, SnapshotText, number, number][];
  }[];
}

export function bytesOf(text: SnapshotText): Buffer {
  if (typeof text === 'string') return Buffer.from(text, 'utf8');
  if (typeof text.b === 'string') return Buffer.from(text.b, 'base64');
  throw new Error('a text is neither a string nor base64');
}

/** Adds what one line holds of its key's value. */
export function addSnapshotValue(digest: ValueDigest, line: SnapshotLine): void {
  if (line.t === 'string' || line.t === 'json') {
    digest.bytes(bytesOf(line.v as SnapshotText));
    return;
  }
  if (line.t === 'stream') {
    addStreamLine(digest, line.v as StreamLine, line.i === undefined || !!line.last);
    return;
  }
  if (line.t === 'list' || line.t === 'set') {
    for (const item of line.v as SnapshotText[]) digest.element(bytesOf(item));
  } else if (line.t === 'hash') {
    for (const [field, value] of line.v as [SnapshotText, SnapshotText][]) {
      digest.element(bytesOf(field), bytesOf(value));
    }
    for (const [field, time] of line.fx ?? []) {
      digest.element(Buffer.from('field-expiry'), bytesOf(field), Buffer.from(String(time)));
    }
  } else if (line.t === 'zset') {
    for (const [member, score] of line.v as [SnapshotText, string][]) {
      digest.element(bytesOf(member), scoreBytes(score));
    }
  } else {
    throw new Error(`this reader does not know the type ${line.t}`);
  }
}

function addStreamLine(digest: ValueDigest, value: StreamLine, isLast: boolean): void {
  for (const [id, fields] of value.entries) digest.element(Buffer.from(id), ...fields.map(bytesOf));
  if (!isLast) return;
  if (value.lastId === undefined || value.groups === undefined) throw new Error('a stream ends without its last id');
  const groups = value.groups.map((group) => ({
    name: bytesOf(group.name),
    lastId: group.lastId,
    consumers: group.consumers.map(bytesOf),
    pending: group.pending.map(([id, consumer, , deliveries]) => ({ id, consumer: bytesOf(consumer), deliveries })),
  }));
  addStreamTail(digest, value.lastId, groups);
}
