import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createGzip } from 'node:zlib';
import { AppError } from '../../errors.js';
import { encodeJson } from '../../json.js';
import type { ObjectStore, Encryptor } from '../../ports/index.js';
import { sha256, type Part } from '../manifest.js';
import { partFile, partName } from '../names.js';
import { indexBuilder, partIndexName, type IndexBuilder, type PartIndex } from '../part-index.js';
import { labelProjects } from '../counts.js';
import type { RecordType } from '../record.js';
import type { FreshLine } from '../sent-value.js';
import { LineBuffer } from '../line-buffer.js';

/** The role of a line: a whole record or its beginning, a continuation, or the line that voids the record. */
export type LineRole = { readonly begins: Buffer; readonly type: RecordType } | 'continues' | 'voids';

/**
 * Writes lines into parts. A closed part is compressed, encrypted and stored while the next one fills, at most two at a time: a
 * temporarily slow store does not stop reading, and a compressed part takes little memory.
 */
export interface PartSink {
  /** Encrypts the parts and the names of keys in the ledger. */
  readonly encryptor: Encryptor;
  readonly openBytes: number;
  /** Records begun in the open part. */
  readonly openKeys: number;
  /** A returned promise must be awaited before the next write; most lines return none, to save a turn of the event loop. */
  write(line: FreshLine, role: LineRole): Promise<void> | undefined;
  /** Closes the open part and calls `stored` once it and all earlier parts are stored. Waits for the part before the last. */
  cut(stored: (part: Part) => Promise<void>): Promise<void>;
  /** Resolves when all closed parts are stored. */
  flush(): Promise<void>;
}

interface SinkTarget {
  readonly store: ObjectStore;
  readonly encryptor: Encryptor;
  readonly snapshot: string;
  readonly fence: number;
  readonly firstIndex: number;
  /** Distinguishes these parts from others under the same fencing number; absent where there is one writer. */
  readonly writer?: string;
}

export function openSink(target: SinkTarget): PartSink {
  let writer: PartWriter = openPart();
  let index: IndexBuilder = indexBuilder();
  let number = target.firstIndex;
  let before: Promise<void> = Promise.resolve();
  let storing: Promise<void> = Promise.resolve();

  return {
    encryptor: target.encryptor,
    get openBytes() {
      return writer.bytes;
    },
    get openKeys() {
      return writer.keys;
    },
    write(line, role) {
      if (role === 'voids') index.voidRecord();
      else if (role !== 'continues') index.begin(role.begins, role.type, writer.lines);
      return writer.write(line, typeof role === 'object');
    },
    async cut(stored) {
      const closing = writer;
      const built = labelProjects(index.build(), target.encryptor.suffix);
      const file = partFile(number, target.fence, target.encryptor.suffix, target.writer);
      writer = openPart();
      index = indexBuilder();
      number += 1;
      await before.catch(async (error: unknown) => {
        // A process that ends during a write leaves half an object in a folder store.
        await storing.catch(() => undefined);
        throw error;
      });
      const earlier = (before = storing);
      const part = closing.close().then((closed) => storePart(target, file, closed, built));
      storing = earlier.then(
        async () => stored(await part),
        // After a failure of an earlier part, wait for this write before giving up.
        async (error: unknown) => {
          await part.catch(() => undefined);
          throw error;
        },
      );
      part.catch(() => undefined);
      // Awaited by the next cut or by flush; until then a failure must not count as unhandled.
      storing.catch(() => undefined);
    },
    flush: () => storing,
  };
}

async function storePart(target: SinkTarget, file: string, closed: ClosedPart, index: PartIndex): Promise<Part> {
  const body = await target.encryptor.encrypt(closed.compressed);
  const writes = [
    createOrFail(target.store, partName(target.snapshot, file), body),
    createOrFail(target.store, partIndexName(target.snapshot, file), encodeJson(index)),
  ];
  // Both writes end before a failure is reported: see `cut`.
  await Promise.all(writes.map((write) => write.catch(() => undefined)));
  await Promise.all(writes);
  const { keys, lines, plain } = closed;
  return { name: file, keys, lines, plain, stored: { bytes: body.length, sha256: sha256(body) } };
}

async function createOrFail(store: ObjectStore, name: string, body: Uint8Array): Promise<void> {
  const outcome = await store.create(name, body);
  if (outcome.created) return;
  throw new AppError('fenced', `Another attempt has written ${name}`, {
    hint: 'Nothing to do: the run continues with its next attempt.',
  });
}

/** Level 3 takes about half the time of the default 6 and leaves the object about a tenth larger. */
const GZIP_LEVEL = 3;
/** Lines are passed to the compressor in pieces of about this many bytes. */
const PIECE = 256 * 1024;

interface ClosedPart {
  readonly keys: number;
  readonly lines: number;
  readonly plain: { readonly bytes: number; readonly sha256: string };
  readonly compressed: Buffer;
}

/** Collects lines into one compressed part. */
interface PartWriter {
  /** Plain bytes so far. */
  readonly bytes: number;
  readonly lines: number;
  readonly keys: number;
  /** `starts`: whether a record begins on this line. A returned promise must be awaited before the next write. */
  write(line: FreshLine, starts: boolean): Promise<void> | undefined;
  close(): Promise<ClosedPart>;
}

export function openPart(): PartWriter {
  const gzip = createGzip({ level: GZIP_LEVEL, memLevel: 9, chunkSize: 256 * 1024 });
  const hash = createHash('sha256');
  const chunks: Buffer[] = [];
  gzip.on('data', (chunk: Buffer) => chunks.push(chunk));
  // One buffer is filled while the other is compressed on another thread.
  let open = new LineBuffer(2 * PIECE);
  let other = new LineBuffer(2 * PIECE);
  let compressing: Promise<void> = Promise.resolve();
  let bytes = 0;
  let lines = 0;
  let keys = 0;

  async function flush(): Promise<void> {
    await compressing;
    const piece = open.content();
    [open, other] = [other, open];
    open.clear();
    bytes += piece.length;
    compressing = new Promise((resolve, reject) => {
      gzip.write(piece, (error) => (error ? reject(error) : resolve()));
    });
    // Awaited by the next flush or by close; until then a failure must not count as unhandled.
    compressing.catch(() => undefined);
    hash.update(piece);
  }

  return {
    get bytes() {
      return bytes + open.length;
    },
    get lines() {
      return lines;
    },
    get keys() {
      return keys;
    },
    write(line, starts) {
      open.add(line);
      lines += 1;
      if (starts) keys += 1;
      return open.length >= PIECE ? flush() : undefined;
    },
    async close() {
      if (open.length > 0) await flush();
      await compressing;
      const ended = once(gzip, 'end');
      gzip.end();
      await ended;
      return { keys, lines, plain: { bytes, sha256: hash.digest('hex') }, compressed: Buffer.concat(chunks) };
    },
  };
}
