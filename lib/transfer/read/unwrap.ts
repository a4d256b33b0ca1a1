import { Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { AppError } from '../../errors.js';
import type { Encryptor } from '../../ports/encryptor.js';
import { errnoOf, cutShort, FileFault } from '../fault.js';

const GZIP = Buffer.from([0x1f, 0x8b]);
const AGE = Buffer.from('age-encryption.org/v1\n');
const ARMORED = Buffer.from('-----BEGIN AGE ENCRYPTED FILE-----');
/** This many layers of encryption and compression are taken off; no tool makes more. */
const MOST_LAYERS = 4;
const PEEKED = 64;

/** The bytes of a file without its layers. `layers` are those that were taken off, outermost first. */
interface Unwrapped {
  readonly layers: readonly ('age' | 'gzip')[];
  /** The first bytes, up to 64; they are in `chunks` as well. */
  readonly head: Buffer;
  readonly chunks: AsyncGenerator<Buffer>;
}

/** Decrypts and unpacks, told by the content and not by the name. Throws FileFault while `chunks` is read. */
export async function unwrap(source: AsyncGenerator<Buffer>, encryptor: Encryptor): Promise<Unwrapped> {
  const layers: ('age' | 'gzip')[] = [];
  let chunks = source;
  for (;;) {
    const peeked = await peek(chunks);
    const { head } = peeked;
    chunks = peeked.chunks;
    const isGzip = head.subarray(0, GZIP.length).equals(GZIP);
    if (head.subarray(0, ARMORED.length).equals(ARMORED)) throw armored();
    if (!isGzip && !head.subarray(0, AGE.length).equals(AGE)) return { layers, head, chunks };
    if (layers.length === MOST_LAYERS)
      throw new FileFault('invalid', '', 'it is packed too many times', 'Unpack it first.');
    layers.push(isGzip ? 'gzip' : 'age');
    chunks = isGzip ? gunzipped(chunks) : await decrypted(chunks, encryptor);
  }
}

async function peek(chunks: AsyncGenerator<Buffer>): Promise<{ head: Buffer; chunks: AsyncGenerator<Buffer> }> {
  let head: Buffer = Buffer.alloc(0);
  while (head.length < PEEKED) {
    const next = await chunks.next();
    if (next.done === true) break;
    head = head.length === 0 ? next.value : Buffer.concat([head, next.value]);
  }
  return { head: head.subarray(0, PEEKED), chunks: joined(head, chunks) };
}

async function* joined(first: Buffer, rest: AsyncGenerator<Buffer>): AsyncGenerator<Buffer> {
  if (first.length > 0) yield first;
  yield* rest;
}

/** Members may follow one another, as in parts that were put together; what follows them otherwise is refused. */
async function* gunzipped(chunks: AsyncGenerator<Buffer>): AsyncGenerator<Buffer> {
  let given = 0;
  let fault: unknown = null;
  async function* counted(): AsyncGenerator<Buffer> {
    try {
      for await (const chunk of chunks) {
        given += chunk.length;
        yield chunk;
      }
    } catch (error) {
      fault = error;
      throw error;
    }
  }
  const input = Readable.from(counted());
  const gunzip = createGunzip({ chunkSize: 256 * 1024 });
  input.on('error', (error) => gunzip.destroy(error));
  input.pipe(gunzip);
  try {
    for await (const chunk of gunzip as AsyncIterable<Buffer>) yield chunk;
  } catch (error) {
    if (fault instanceof Error) throw fault;
    throw gzipFault(error);
  } finally {
    input.destroy();
  }
  if (gunzip.bytesWritten < given)
    throw new FileFault('damaged', '', 'something follows the gzip', 'Copy or write the file again.');
}

function gzipFault(cause: unknown): FileFault {
  if (errnoOf(cause) === 'Z_BUF_ERROR') return cutShort('', 'the gzip has no end');
  return new FileFault('damaged', '', 'its gzip cannot be unpacked', 'Copy or write the file again.', { cause });
}

async function decrypted(chunks: AsyncGenerator<Buffer>, encryptor: Encryptor): Promise<AsyncGenerator<Buffer>> {
  let fault: unknown = null;
  async function* watched(): AsyncGenerator<Buffer> {
    try {
      yield* chunks;
    } catch (error) {
      fault = error;
      throw error;
    }
  }
  const faultOf = (error: unknown): unknown => fault ?? ageFault(error);
  const plain = await encryptor.openStream(watched()).catch((error: unknown) => {
    throw faultOf(error);
  });
  return (async function* () {
    try {
      for await (const chunk of plain) yield Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    } catch (error) {
      throw faultOf(error);
    }
  })();
}

function ageFault(error: unknown): unknown {
  if (!(error instanceof AppError)) return error;
  if (error.code === 'wrong-key')
    return new FileFault(
      'wrong-key',
      '',
      'it is encrypted, and no identity here opens it',
      'Set BACKUP_AGE_IDENTITY to the secret key of one of its recipients.',
      { cause: error },
    );
  return new FileFault(
    'damaged',
    '',
    'its encryption does not hold: it was altered or cut short',
    'Copy or write the file again.',
    { cause: error },
  );
}

function armored(): FileFault {
  return new FileFault(
    'invalid',
    '',
    'it is an armored age file, which is not read',
    'Decrypt it first: `age -d -i key.txt FILE > dump`.',
  );
}
