import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createGzip } from 'node:zlib';
import { LineBuffer } from './line-buffer.js';
import type { FreshLine } from './sent-value.js';

/** Level 3 takes about half the time of the default 6 and leaves the object about a tenth larger. */
const GZIP_LEVEL = 3;
/** Lines are passed to the compressor in pieces of about this many bytes. */
const PIECE = 256 * 1024;

export interface ClosedPart {
  readonly keys: number;
  readonly lines: number;
  readonly plain: { readonly bytes: number; readonly sha256: string };
  readonly compressed: Buffer;
}

/** Collects lines into one compressed part. */
export interface PartWriter {
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
