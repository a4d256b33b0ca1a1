import { createHash, randomBytes } from 'node:crypto';
import { link, open, rename, rm, stat } from 'node:fs/promises';
import { dirname, join, basename } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import { AppError } from '../../errors.js';
import type { Encryptor } from '../../ports/crypto.js';
import { errnoOf, isDiskFull } from '../fault.js';

interface Written {
  readonly bytes: number;
  /** Of the file on disk, in hex. */
  readonly sha256: string;
}

interface OutOptions {
  /** Whether an existing file is replaced. */
  readonly force: boolean;
  readonly encryptor: Encryptor;
  readonly signal: AbortSignal;
}

/**
 * Writes a file under a temporary name in the same folder and renames it when it is complete and on disk. With a name that
 * ends in `.gz`, `.age` or `.gz.age` it is compressed and encrypted. Throws `usage` when the name is taken, `config` when
 * there are no recipients, and `store-full` or `store-denied` when it cannot be written; then no file is left.
 */
export async function writeOutFile(
  path: string,
  content: AsyncIterable<Uint8Array>,
  options: OutOptions,
): Promise<Written> {
  const existing = await stat(path).catch(() => null);
  // A file would replace a device or a pipe.
  if (existing !== null && !existing.isFile())
    throw new AppError('usage', `${JSON.stringify(path)} is not a regular file. Nothing was written`, {
      hint: 'Give the name of a file, or - for the standard output.',
    });
  if (!options.force && (await exists(path))) throw nameTakenError(path);
  const temporary = join(dirname(path), `.${basename(path)}.${randomBytes(6).toString('hex')}.part`);
  try {
    const handle = await open(temporary, 'wx', 0o600);
    try {
      const written = await writeContent(handle, wrapContent(path, content, options.encryptor), options.signal);
      await handle.sync();
      await moveIntoPlace(temporary, path, options.force);
      return written;
    } finally {
      await handle.close();
    }
  } catch (error) {
    throw toFileError(path, error);
  } finally {
    await rm(temporary, { force: true });
  }
}

/**
 * Writes the content unchanged to an open stream, such as the standard output. Throws `store-full` when the disk behind it
 * is full, and `store-denied` when it cannot be written, or its reader ended before the content did.
 */
export async function writeOutStream(
  to: NodeJS.WritableStream,
  content: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
): Promise<Written> {
  const sum = openCounter();
  await pipeline(Readable.from(sum.of(content)), to, { signal, end: false }).catch((error: unknown) => {
    throw signal.aborted ? error : toStreamError(error);
  });
  return sum.result();
}

const READER_CLOSED = ['EPIPE', 'ERR_STREAM_PREMATURE_CLOSE', 'ERR_STREAM_DESTROYED'];

function toStreamError(error: unknown): unknown {
  const code = errnoOf(error);
  if (READER_CLOSED.includes(code))
    return new AppError('store-denied', 'The reader of the standard output ended before the export did', {
      hint: 'The output is incomplete: export again, or write into a file.',
      cause: error,
    });
  if (error instanceof AppError || !/^E[A-Z]+$/.test(code)) return error;
  return new AppError(
    isDiskFull(code) ? 'store-full' : 'store-denied',
    `The standard output cannot be written (${code})`,
    {
      hint: 'The output is incomplete: free space on its disk and export again, or write into a file elsewhere.',
      cause: error,
    },
  );
}

async function* wrapContent(
  path: string,
  content: AsyncIterable<Uint8Array>,
  encryptor: Encryptor,
): AsyncGenerator<Uint8Array> {
  const isEncrypted = path.endsWith('.age');
  const inner = isEncrypted ? path.slice(0, -'.age'.length) : path;
  const packed = inner.endsWith('.gz') ? compress(content) : content;
  yield* isEncrypted ? await encryptor.encryptStream(packed) : packed;
}

async function* compress(content: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
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

async function writeContent(
  handle: Awaited<ReturnType<typeof open>>,
  content: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
): Promise<Written> {
  const sum = openCounter();
  for await (const chunk of sum.of(content)) {
    if (signal.aborted) throw signal.reason;
    await handle.writeFile(chunk);
  }
  return sum.result();
}

function openCounter() {
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

/** A link fails when the name was taken meanwhile; a rename would replace that file. */
async function moveIntoPlace(temporary: string, path: string, force: boolean): Promise<void> {
  if (force) return rename(temporary, path);
  try {
    await link(temporary, path);
  } catch (error) {
    if (errnoOf(error) === 'EEXIST') throw nameTakenError(path);
    // The file system has no hard links.
    if (await exists(path)) throw nameTakenError(path);
    await rename(temporary, path);
  }
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    (error: unknown) => errnoOf(error) !== 'ENOENT',
  );
}

function nameTakenError(path: string): AppError {
  return new AppError('usage', `The file ${JSON.stringify(path)} already exists. Nothing was written`, {
    hint: 'Give another name, or --force to replace it.',
  });
}

function toFileError(path: string, error: unknown): unknown {
  const code = errnoOf(error);
  if (error instanceof AppError || !/^E[A-Z]+$/.test(code)) return error;
  return new AppError(
    isDiskFull(code) ? 'store-full' : 'store-denied',
    `The file ${JSON.stringify(path)} cannot be written (${code}). Nothing was left`,
    {
      hint: isDiskFull(code)
        ? 'Free space on that disk, or write to another one.'
        : 'Check that the folder exists and is writable.',
      cause: error,
    },
  );
}
