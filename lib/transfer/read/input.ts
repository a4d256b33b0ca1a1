import { createHash } from 'node:crypto';
import { constants, open, stat, type FileHandle } from 'node:fs/promises';
import { basename } from 'node:path';
import { errnoOf } from '../errno.js';
import { FileFault } from '../fault.js';

const CHUNK = 256 * 1024;

/** A file that is read once, from its beginning to its end. */
export interface Input {
  /** Its name without folders. */
  readonly name: string;
  readonly size: number;
  /** The bytes in order. Throws FileFault when the file changed meanwhile. */
  readonly chunks: AsyncGenerator<Buffer>;
  /** SHA-256 of all bytes in hex; complete when `chunks` has ended. */
  readonly sha256: () => string;
  readonly close: () => Promise<void>;
}

/** Throws FileFault `not-found` for what is not there, `usage` for what is no regular file. */
export async function openInput(path: string): Promise<Input> {
  // A named pipe without a writer would otherwise hold the program until there is one.
  const handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK).catch((cause: unknown) => {
    throw unreadable(cause);
  });
  const before = await handle.stat();
  if (!before.isFile()) {
    await handle.close();
    throw new FileFault('usage', '', 'it is no regular file', 'Give the path of a file; a pipe is saved to one first.');
  }
  const hash = createHash('sha256');
  let digest: string | null = null;
  return {
    name: basename(path),
    size: before.size,
    chunks: chunksOf(handle, path, before, (chunk) => hash.update(chunk)),
    sha256: () => (digest ??= hash.digest('hex')),
    close: () => handle.close(),
  };
}

type Facts = Awaited<ReturnType<FileHandle['stat']>>;

async function* chunksOf(
  handle: FileHandle,
  path: string,
  before: Facts,
  onChunk: (chunk: Buffer) => void,
): AsyncGenerator<Buffer> {
  let read = 0;
  for (;;) {
    const { buffer, bytesRead } = await handle.read(Buffer.allocUnsafe(CHUNK), 0, CHUNK, read);
    if (bytesRead === 0) break;
    const chunk = buffer.subarray(0, bytesRead);
    read += bytesRead;
    onChunk(chunk);
    yield chunk;
  }
  if (read !== before.size || !isSame(before, await handle.stat())) throw changed();
  const named = await stat(path).catch(() => null);
  if (named === null || !isSame(before, named)) throw changed();
}

function isSame(a: Facts, b: Facts): boolean {
  return a.size === b.size && a.mtimeMs === b.mtimeMs && a.ino === b.ino && a.dev === b.dev;
}

function changed(): FileFault {
  return new FileFault(
    'damaged',
    '',
    'it changed while it was read',
    'Wait until whoever writes it is done, or copy it, and start again.',
  );
}

function unreadable(cause: unknown): FileFault {
  const code = errnoOf(cause);
  if (code === 'ENOENT') return new FileFault('not-found', '', 'there is no such file', 'Check the path.', { cause });
  return new FileFault('usage', '', `it cannot be read (${code})`, 'Check the path and its permissions.', { cause });
}
