import { createHash } from 'node:crypto';
import { constants, open, stat, type FileHandle } from 'node:fs/promises';
import { basename } from 'node:path';
import type { Encryptor } from '../../ports/crypto.js';
import { FILES_HINT, appendOnlyFault, FileFault, errnoOf } from '../fault.js';
import { isRdb, rdbItems } from '../rdb/index.js';
import type { Reading, ReadingFacts, ReadOptions } from './items.js';
import { readJson } from './json.js';
import { isResp, respItems } from './resp.js';
import { unwrap } from './unwrap.js';

export interface OpenFile extends Reading {
  readonly name: string;
  readonly size: number;
  readonly layers: readonly ('age' | 'gzip')[];
  readonly sha256: () => string;
  readonly close: () => Promise<void>;
}

/** Opens a file and detects its format from the content. Both this call and the items throw FileFault. */
export async function openFile(
  path: string,
  encryptor: Encryptor,
  options: Omit<ReadOptions, 'size'>,
): Promise<OpenFile> {
  const input = await openInput(path);
  try {
    const { chunks, head, layers } = await unwrap(input.chunks, encryptor);
    const reading = await readContent(chunks, head, { ...options, size: input.size });
    if (reading.format === 'resp' && APPEND_ONLY.test(input.name))
      throw appendOnlyFault('', 'an append-only file by its name');
    return { ...reading, name: input.name, size: input.size, layers, sha256: input.sha256, close: input.close };
  } catch (error) {
    await input.close();
    throw error;
  }
}

/** What Redis names an append-only file: its commands look like those of any other dump. */
const APPEND_ONLY = /\.aof(?:\.gz|\.age)*$/i;

async function readContent(chunks: AsyncGenerator<Buffer>, head: Buffer, options: ReadOptions): Promise<Reading> {
  const facts: ReadingFacts = { head: null, takenAt: null, remarks: [] };
  if (head.length === 0) throw new FileFault('invalid', '', 'it is empty', FILES_HINT);
  if (isRdb(head)) return { format: 'rdb', items: rdbItems(chunks, facts, options), facts };
  if (isResp(head)) return { format: 'resp', items: respItems(chunks, facts, options), facts };
  const start = head
    .toString('latin1')
    .replace(/^\xef\xbb\xbf/, '')
    .trimStart();
  if (start.startsWith('{') || start.startsWith('[')) {
    const { format, items } = await readJson(chunks, facts, options);
    return { format, items, facts };
  }
  throw new FileFault('invalid', '', `it is ${describeFormat(start)}, which is not supported`, FILES_HINT);
}

function describeFormat(start: string): string {
  if (start.startsWith('<')) return 'XML';
  if (/^[A-Za-z]{3,12} +\S/.test(start)) return 'a list of commands as text';
  if (/^PK\x03\x04/.test(start)) return 'a zip file';
  return 'in an unknown format';
}

const CHUNK_BYTES = 256 * 1024;

/** A file that is read once, from beginning to end. */
interface Input {
  /** The file's name without folders. */
  readonly name: string;
  readonly size: number;
  /** The bytes in order. Throws FileFault when the file changed meanwhile. */
  readonly chunks: AsyncGenerator<Buffer>;
  /** SHA-256 of all bytes in hex; complete when `chunks` has ended. */
  readonly sha256: () => string;
  readonly close: () => Promise<void>;
}

/** Throws FileFault `not-found` for a missing file, `usage` for anything but a regular file. */
async function openInput(path: string): Promise<Input> {
  // Otherwise a named pipe would block the program until it has a writer.
  const handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK).catch((cause: unknown) => {
    throw unreadableFault(cause);
  });
  const before = await handle.stat();
  if (!before.isFile()) {
    await handle.close();
    throw new FileFault(
      'usage',
      '',
      'it is not a regular file',
      'Give the path of a file; save the content of a pipe to a file first.',
    );
  }
  const hash = createHash('sha256');
  let digest: string | null = null;
  return {
    name: basename(path),
    size: before.size,
    chunks: readChunks(handle, path, before, (chunk) => hash.update(chunk)),
    sha256: () => (digest ??= hash.digest('hex')),
    close: () => handle.close(),
  };
}

type FileStats = Awaited<ReturnType<FileHandle['stat']>>;

async function* readChunks(
  handle: FileHandle,
  path: string,
  before: FileStats,
  onChunk: (chunk: Buffer) => void,
): AsyncGenerator<Buffer> {
  let read = 0;
  for (;;) {
    const { buffer, bytesRead } = await handle.read(Buffer.allocUnsafe(CHUNK_BYTES), 0, CHUNK_BYTES, read);
    if (bytesRead === 0) break;
    const chunk = buffer.subarray(0, bytesRead);
    read += bytesRead;
    onChunk(chunk);
    yield chunk;
  }
  if (read !== before.size || !isSame(before, await handle.stat())) throw changedFault();
  const named = await stat(path).catch(() => null);
  if (named === null || !isSame(before, named)) throw changedFault();
}

function isSame(a: FileStats, b: FileStats): boolean {
  return a.size === b.size && a.mtimeMs === b.mtimeMs && a.ino === b.ino && a.dev === b.dev;
}

function changedFault(): FileFault {
  return new FileFault(
    'damaged',
    '',
    'it changed while it was read',
    'Wait until the program that writes it is done, or copy the file, and try again.',
  );
}

function unreadableFault(cause: unknown): FileFault {
  const code = errnoOf(cause);
  if (code === 'ENOENT') return new FileFault('not-found', '', 'there is no such file', 'Check the path.', { cause });
  return new FileFault('usage', '', `it cannot be read (${code})`, 'Check the path and its permissions.', { cause });
}
