import type { Encryptor } from '../../ports/encryptor.js';
import { FileFault } from '../fault.js';
import { isRdb, rdbItems } from '../rdb/index.js';
import { openInput } from './input.js';
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

/** Opens a file and tells by its content what it is. Throws FileFault, and its items do. */
export async function openFile(
  path: string,
  encryptor: Encryptor,
  options: Omit<ReadOptions, 'size'>,
): Promise<OpenFile> {
  const input = await openInput(path);
  try {
    const { chunks, head, layers } = await unwrap(input.chunks, encryptor);
    const reading = await readContent(chunks, head, { ...options, size: input.size });
    return { ...reading, name: input.name, size: input.size, layers, sha256: input.sha256, close: input.close };
  } catch (error) {
    await input.close();
    throw error;
  }
}

async function readContent(chunks: AsyncGenerator<Buffer>, head: Buffer, options: ReadOptions): Promise<Reading> {
  const facts: ReadingFacts = { head: null, takenAt: null, remarks: [] };
  if (head.length === 0) throw new FileFault('invalid', '', 'it is empty', HINT);
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
  throw new FileFault('invalid', '', `it is ${otherFormat(start)}, which is not read`, HINT);
}

const HINT = 'Files that are read, and which tools write them: docs/format.md, "Files that are read".';

function otherFormat(start: string): string {
  if (start.startsWith('<')) return 'XML';
  if (/^[A-Za-z]{3,12} +\S/.test(start)) return 'a list of commands as text';
  if (/^PK\x03\x04/.test(start)) return 'a zip file';
  return 'of no known format';
}
