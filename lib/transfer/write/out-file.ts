import { createHash, randomBytes } from 'node:crypto';
import { link, open, rename, rm, stat } from 'node:fs/promises';
import { dirname, join, basename } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import { AppError } from '../../errors.js';
import { errnoOf, isDiskFull } from '../fault.js';
import type { Encryptor } from '../../ports/encryptor.js';

export interface Written {
  readonly bytes: number;
  /** Of the file as it lies there, in hex. */
  readonly sha256: string;
}

interface OutOptions {
  /** Whether a file that is there is replaced. */
  readonly force: boolean;
  readonly encryptor: Encryptor;
  readonly signal: AbortSignal;
}

/**
 * Writes a file under a temporary name beside its own and renames it when it is whole and on the disk. A name that ends
 * in `.gz`, `.age` or `.gz.age` has it compressed and encrypted. Throws `usage` when the name is taken, `config` when there
 * are no recipients, and `store-full` or `store-denied` when it cannot be written; then nothing is left.
 */
export async function writeOutFile(
  path: string,
  content: AsyncIterable<Uint8Array>,
  options: OutOptions,
): Promise<Written> {
  const there = await stat(path).catch(() => null);
  // A device or a pipe would be gone, with a file in its place.
  if (there !== null && !there.isFile()) throw noFile(path);
  if (!options.force && (await isThere(path))) throw taken(path);
  const temporary = join(dirname(path), `.${basename(path)}.${randomBytes(6).toString('hex')}.part`);
  try {
    const handle = await open(temporary, 'wx', 0o600);
    try {
      const written = await fill(handle, wrapped(path, content, options.encryptor), options.signal);
      await handle.sync();
      await place(temporary, path, options.force);
      return written;
    } finally {
      await handle.close();
    }
  } catch (error) {
    throw fileError(path, error);
  } finally {
    await rm(temporary, { force: true });
  }
}

/**
 * The same content on a stream that is there already, such as the standard output, as it is. Throws `store-full` when there
 * is no room behind it, and `store-denied` when it cannot be written, or its reader ended before the content did.
 */
export async function writeOutStream(
  to: NodeJS.WritableStream,
  content: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
): Promise<Written> {
  const sum = counter();
  await pipeline(Readable.from(sum.of(content)), to, { signal, end: false }).catch((error: unknown) => {
    throw signal.aborted ? error : streamError(error);
  });
  return sum.result();
}

const READER_GONE = ['EPIPE', 'ERR_STREAM_PREMATURE_CLOSE', 'ERR_STREAM_DESTROYED'];

function streamError(error: unknown): unknown {
  const code = errnoOf(error);
  if (READER_GONE.includes(code))
    return new AppError('store-denied', 'The reader of the standard output ended before the export did', {
      hint: 'What it took is not whole: export again, or write into a file.',
      cause: error,
    });
  if (error instanceof AppError || !/^E[A-Z]+$/.test(code)) return error;
  return new AppError(
    isDiskFull(code) ? 'store-full' : 'store-denied',
    `The standard output cannot be written (${code})`,
    {
      hint: 'What it took is not whole: make room behind it and export again, or write into a file elsewhere.',
      cause: error,
    },
  );
}

async function* wrapped(
  path: string,
  content: AsyncIterable<Uint8Array>,
  encryptor: Encryptor,
): AsyncGenerator<Uint8Array> {
  const isSealed = path.endsWith('.age');
  const inner = isSealed ? path.slice(0, -'.age'.length) : path;
  const packed = inner.endsWith('.gz') ? compressed(content) : content;
  yield* isSealed ? await encryptor.encryptStream(packed) : packed;
}

async function* compressed(content: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const gzip = createGzip({ level: 6 });
  let fault: unknown = null;
  const feeding = pipeline(Readable.from(content), gzip).catch((error: unknown) => {
    fault = error;
  });
  try {
    for await (const chunk of gzip as AsyncIterable<Uint8Array>) yield chunk;
  } catch (error) {
    throw fault ?? error;
  }
  await feeding;
}

async function fill(
  handle: Awaited<ReturnType<typeof open>>,
  content: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
): Promise<Written> {
  const sum = counter();
  for await (const chunk of sum.of(content)) {
    if (signal.aborted) throw signal.reason;
    await handle.writeFile(chunk);
  }
  return sum.result();
}

function counter() {
  const hash = createHash('sha256');
  let bytes = 0;
  return {
    async *of(content: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
      for await (const chunk of content) {
        hash.update(chunk);
        bytes += chunk.length;
        yield chunk;
      }
    },
    result: (): Written => ({ bytes, sha256: hash.digest('hex') }),
  };
}

/** A link fails where the name was taken meanwhile, which a rename would not notice. */
async function place(temporary: string, path: string, force: boolean): Promise<void> {
  if (force) return rename(temporary, path);
  try {
    await link(temporary, path);
  } catch (error) {
    if (errnoOf(error) === 'EEXIST') throw taken(path);
    // A file system without links.
    if (await isThere(path)) throw taken(path);
    await rename(temporary, path);
  }
}

async function isThere(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    (error: unknown) => errnoOf(error) !== 'ENOENT',
  );
}

function taken(path: string): AppError {
  return new AppError('usage', `There is a file ${JSON.stringify(path)} already. Nothing was written`, {
    hint: 'Give another name, or --force to replace it.',
  });
}

function noFile(path: string): AppError {
  return new AppError('usage', `${JSON.stringify(path)} is no regular file. Nothing was written`, {
    hint: 'Give the name of a file, or - for the standard output.',
  });
}

function fileError(path: string, error: unknown): unknown {
  const code = errnoOf(error);
  if (error instanceof AppError || !/^E[A-Z]+$/.test(code)) return error;
  return new AppError(
    isDiskFull(code) ? 'store-full' : 'store-denied',
    `The file ${JSON.stringify(path)} cannot be written (${code}). Nothing was left`,
    {
      hint: isDiskFull(code)
        ? 'Make room on that disk, or write to another one.'
        : 'Check that the folder is there and may be written to.',
      cause: error,
    },
  );
}
