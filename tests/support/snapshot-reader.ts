import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import type { KeyRecord } from './database-reader.js';
import { valueDigest, type ValueDigest, addStreamTail, scoreBytes } from './value-digest.js';

interface Sum {
  readonly bytes: number;
  readonly sha256: string;
}

interface Manifest {
  readonly parts: readonly {
    readonly name: string;
    readonly lines: number;
    readonly plain: Sum;
    readonly stored: Sum;
  }[];
  readonly doubles: readonly { readonly part: number; readonly line: number }[];
}

/** One line of a part; `i` and `last` are there only where a key takes several lines. */
interface SnapshotLine {
  readonly k: SnapshotText;
  readonly t: string;
  readonly x?: number;
  readonly v: unknown;
  readonly fx?: readonly [SnapshotText, number][];
  readonly i?: number;
  readonly last?: boolean;
}

interface OpenRecord {
  readonly line: SnapshotLine;
  readonly digest: ValueDigest;
  readonly isDouble: boolean;
  next: number;
}

/**
 * The keys of a snapshot folder, doubles left out. Throws when a part's bytes are not those of the manifest, or the
 * lines of a key are not whole and in order.
 */
export async function* readSnapshot(folder: string, id: string): AsyncGenerator<KeyRecord> {
  const home = join(folder, 'snapshots', id);
  const manifest = JSON.parse(await readFile(join(home, 'manifest.json'), 'utf8')) as Manifest;
  const doubles = new Set(manifest.doubles.map(({ part, line }) => `${part}:${line}`));
  let open: OpenRecord | null = null;
  for (const [index, part] of manifest.parts.entries()) {
    const plain = await readPart(home, part);
    let number = 0;
    for (const text of linesOf(plain)) {
      const line = JSON.parse(text) as SnapshotLine;
      const where = `${part.name} line ${number}`;
      open = continued(open, line, where) ?? start(line, doubles.delete(`${index}:${number}`), where);
      addSnapshotValue(open.digest, line);
      if (line.i === undefined || line.last === true) {
        if (!open.isDouble) yield finish(open);
        open = null;
      }
      number++;
    }
    if (number !== part.lines) throw new Error(`${part.name} has ${number} lines, the manifest says ${part.lines}`);
  }
  if (open !== null) throw new Error('the snapshot ends in the middle of a key');
  if (doubles.size > 0) throw new Error('the manifest names doubles where no record starts');
}

async function readPart(home: string, part: Manifest['parts'][number]): Promise<Buffer> {
  const stored = await readFile(join(home, part.name));
  checkSum(stored, part.stored, `${part.name} as stored`);
  const plain = gunzipSync(stored);
  checkSum(plain, part.plain, `${part.name} unpacked`);
  return plain;
}

function checkSum(bytes: Buffer, expected: Sum, what: string): void {
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  if (bytes.length !== expected.bytes || sha256 !== expected.sha256) {
    throw new Error(`${what} is not what the manifest says`);
  }
}

function* linesOf(plain: Buffer): Generator<string> {
  let start = 0;
  while (start < plain.length) {
    const end = plain.indexOf(0x0a, start);
    if (end < 0) throw new Error('the last line has no end');
    yield plain.toString('utf8', start, end);
    start = end + 1;
  }
}

/** The open record, if this line continues with it; null if a new one may start here. */
function continued(open: OpenRecord | null, line: SnapshotLine, where: string): OpenRecord | null {
  if (open === null) return null;
  const { k, t, x } = open.line;
  const same = bytesOf(k).equals(bytesOf(line.k)) && t === line.t && x === line.x;
  if (!same || line.i !== open.next) throw new Error(`${where} does not go on with the key before it`);
  open.next++;
  return open;
}

function start(line: SnapshotLine, isDouble: boolean, where: string): OpenRecord {
  if (line.i !== undefined && line.i !== 0) throw new Error(`${where} starts a key in its middle`);
  return { line, digest: valueDigest(line.t), isDouble, next: 1 };
}

function finish({ line, digest }: OpenRecord): KeyRecord {
  return { key: bytesOf(line.k), type: line.t, expiresAt: line.x ?? null, digest: digest.finish() };
}

/** Bytes that are valid UTF-8 stand as text, all others in base64. */
type SnapshotText = string | { readonly b: string };

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

function bytesOf(text: SnapshotText): Buffer {
  if (typeof text === 'string') return Buffer.from(text, 'utf8');
  if (typeof text.b === 'string') return Buffer.from(text.b, 'base64');
  throw new Error('a text is neither a string nor base64');
}

/** Adds what one line holds of its key's value. */
function addSnapshotValue(digest: ValueDigest, line: SnapshotLine): void {
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
