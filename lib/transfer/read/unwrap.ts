import { Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { AppError } from '../../errors.js';
import type { Encryptor } from '../../ports/crypto.js';
import { errnoOf, cutShortFault, FileFault } from '../fault.js';

const GZIP = Buffer.from([0x1f, 0x8b]);
const AGE = Buffer.from('age-encryption.org/v1\n');
const ARMORED = Buffer.from('-----BEGIN AGE ENCRYPTED FILE-----');
/** Most layers of encryption and compression that are removed; no tool makes more. */
const MAX_LAYERS = 4;
const PEEK_BYTES = 64;

/** The bytes of a file without its layers. `layers`: the removed layers, outermost first. */
interface Unwrapped {
  readonly layers: readonly ('age' | 'gzip')[];
  /** The first bytes, up to 64; they are in `chunks` as well. */
  readonly head: Buffer;
  readonly chunks: AsyncGenerator<Buffer>;
}

/** Decrypts and decompresses, detected from the content and not the name. Throws FileFault while `chunks` is read. */
export async function unwrap(source: AsyncGenerator<Buffer>, encryptor: Encryptor): Promise<Unwrapped> {
  const layers: ('age' | 'gzip')[] = [];
  let chunks = source;
  for (;;) {
    const peeked = await peek(chunks);
    const { head } = peeked;
    chunks = peeked.chunks;
    const isGzip = head.subarray(0, GZIP.length).equals(GZIP);
    if (head.subarray(0, ARMORED.length).equals(ARMORED)) throw armoredFault();
    if (!isGzip && !head.subarray(0, AGE.length).equals(AGE)) return { layers, head, chunks };
    if (layers.length === MAX_LAYERS)
      throw new FileFault(
        'invalid',
        '',
        'it has too many layers of compression and encryption',
        'Decrypt or decompress it first.',
      );
    layers.push(isGzip ? 'gzip' : 'age');
    chunks = isGzip ? gunzipChunks(chunks) : await decryptChunks(chunks, encryptor);
  }
}

async function peek(chunks: AsyncGenerator<Buffer>): Promise<{ head: Buffer; chunks: AsyncGenerator<Buffer> }> {
  let head: Buffer = Buffer.alloc(0);
  while (head.length < PEEK_BYTES) {
    const next = await chunks.next();
    if (next.done === true) break;
    head = head.length === 0 ? next.value : Buffer.concat([head, next.value]);
  }
  return { head: head.subarray(0, PEEK_BYTES), chunks: prepend(head, chunks) };
}

async function* prepend(first: Buffer, rest: AsyncGenerator<Buffer>): AsyncGenerator<Buffer> {
  if (first.length > 0) yield first;
  yield* rest;
}

/** Several gzip members may follow one another, as in concatenated parts; any other trailing bytes are refused. */
async function* gunzipChunks(chunks: AsyncGenerator<Buffer>): AsyncGenerator<Buffer> {
  let inputBytes = 0;
  let fault: unknown = null;
  async function* countInput(): AsyncGenerator<Buffer> {
    try {
      for await (const chunk of chunks) {
        inputBytes += chunk.length;
        yield chunk;
      }
    } catch (error) {
      fault = error;
      throw error;
    }
  }
  const input = Readable.from(countInput());
  const gunzip = createGunzip({ chunkSize: 256 * 1024 });
  input.on('error', (error) => gunzip.destroy(error));
  input.pipe(gunzip);
  try {
    for await (const chunk of gunzip as AsyncIterable<Buffer>) yield chunk;
  } catch (error) {
    if (fault instanceof Error) throw fault;
    throw toGzipFault(error);
  } finally {
    input.destroy();
  }
  if (gunzip.bytesWritten < inputBytes)
    throw new FileFault('damaged', '', 'extra bytes follow the gzip data', 'Copy or write the file again.');
}

function toGzipFault(cause: unknown): FileFault {
  if (errnoOf(cause) === 'Z_BUF_ERROR') return cutShortFault('', 'the gzip data has no end');
  return new FileFault('damaged', '', 'its gzip data cannot be decompressed', 'Copy or write the file again.', {
    cause,
  });
}

async function decryptChunks(chunks: AsyncGenerator<Buffer>, encryptor: Encryptor): Promise<AsyncGenerator<Buffer>> {
  let fault: unknown = null;
  async function* noteFaults(): AsyncGenerator<Buffer> {
    try {
      yield* chunks;
    } catch (error) {
      fault = error;
      throw error;
    }
  }
  const toFault = (error: unknown): unknown => fault ?? toAgeFault(error);
  const plain = await encryptor.openStream(noteFaults()).catch((error: unknown) => {
    throw toFault(error);
  });
  return (async function* () {
    try {
      for await (const chunk of plain) yield Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    } catch (error) {
      throw toFault(error);
    }
  })();
}

function toAgeFault(error: unknown): unknown {
  if (!(error instanceof AppError)) return error;
  if (error.code === 'wrong-key')
    return new FileFault(
      'wrong-key',
      '',
      'it is encrypted, and no configured identity can decrypt it',
      'Set BACKUP_AGE_IDENTITY to the secret key of one of its recipients.',
      { cause: error },
    );
  return new FileFault(
    'damaged',
    '',
    'it cannot be decrypted: it was altered or cut short',
    'Copy or write the file again.',
    { cause: error },
  );
}

function armoredFault(): FileFault {
  return new FileFault(
    'invalid',
    '',
    'it is an armored age file, which is not supported',
    'Decrypt it first: `age -d -i key.txt FILE > dump`.',
  );
}
