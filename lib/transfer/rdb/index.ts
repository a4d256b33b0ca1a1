import type { ExpiryTime } from '../../snapshot/record.js';
import { DatabaseFilter, type Item, type ReadingFacts, type ReadOptions } from '../read/items.js';
import { appendOnlyFault, FileFault, malformedFault } from '../fault.js';
import { ByteReader, type Window } from '../read/bytes.js';
import { readPlainCount, readPlainLength, RdbError, readString, toTime } from './primitives.js';
import { isReadable, valueLines, type Dialect } from './values.js';

const OLDEST_VERSION = 9;
const MODULE_TYPE = 7;

const OPCODE = {
  slotInfo: 244,
  function: 245,
  moduleAux: 247,
  idle: 248,
  frequency: 249,
  aux: 250,
  resize: 251,
  expiryMs: 252,
  expiry: 253,
  select: 254,
  end: 255,
} as const;

export function isRdb(head: Buffer): boolean {
  return /^(?:REDIS\d{4}|VALKEY\d{3})/.test(head.subarray(0, 9).toString('latin1'));
}

/**
 * The records of an RDB file of version 9 or later, written by Redis 5 or later or by Valkey. Throws FileFault for damaged
 * content, and for an unknown type or opcode: neither can be skipped.
 */
export async function* rdbItems(
  chunks: AsyncGenerator<Buffer>,
  facts: ReadingFacts,
  options: ReadOptions,
): AsyncGenerator<Item> {
  const crc = new Crc64();
  const reader = new ByteReader(chunks, (bytes) => crc.update(bytes));
  try {
    yield* readItems(reader, crc, facts, options);
  } catch (error) {
    if (error instanceof RdbError) throw malformedFault(`byte ${reader.offset}`, error.message);
    throw error;
  }
}

async function* readItems(
  reader: ByteReader,
  crc: Crc64,
  facts: ReadingFacts,
  options: ReadOptions,
): AsyncGenerator<Item> {
  const { dialect, version } = await reader.read(readHeader);
  if (version < OLDEST_VERSION)
    throw new FileFault(
      'invalid',
      '',
      `it is an RDB file of version ${version}, and 9 is the oldest supported version`,
      HINT,
    );
  const databases = new DatabaseFilter(options.database);
  let database = 0;
  let functions = 0;
  let expiry: ExpiryTime | null = null;
  for (;;) {
    const code = await reader.read((window) => window.u8());
    if (code === OPCODE.end) break;
    if (code < 128) {
      const key = await reader.read(readString);
      const isWanted = databases.wants(database, `byte ${reader.offset}`);
      const head = { key, expiry };
      expiry = null;
      if (code === MODULE_TYPE) {
        const name = await skipModule(reader);
        if (isWanted) yield { lost: 'unsupported', key, reason: `type ${name}` };
        continue;
      }
      if (!isReadable(code, dialect)) throw unknownFault(`type ${code}`, reader.offset);
      for await (const line of valueLines(reader, code, dialect, head)) if (isWanted) yield { line };
      continue;
    }
    if (code === OPCODE.expiryMs) expiry = toTime(await reader.read((window) => window.u64le()));
    else if (code === OPCODE.expiry) expiry = Math.max(0, await reader.read((window) => window.u32le() | 0)) * 1000;
    else if (code === OPCODE.select) database = await reader.read(readPlainLength);
    else if (code === OPCODE.aux)
      readAux(await reader.read((window) => [readString(window), readString(window)] as const), facts);
    else if (code === OPCODE.resize) await reader.read((window) => [readPlainLength(window), readPlainLength(window)]);
    else if (code === OPCODE.idle) await reader.read(readPlainCount);
    else if (code === OPCODE.frequency) await reader.read((window) => window.u8());
    else if (code === OPCODE.slotInfo)
      await reader.read((window) => [readPlainCount(window), readPlainCount(window), readPlainCount(window)]);
    else if (code === OPCODE.function) functions += (await reader.read(readString), 1);
    else if (code === OPCODE.moduleAux) await skipAux(reader);
    else throw unknownFault(`opcode ${code}`, reader.offset);
  }
  await checkEnd(reader, crc, facts);
  for (const [each, keys] of databases.skipped) facts.remarks.push(`keys of database ${each} were skipped: ${keys}`);
  if (functions > 0) facts.remarks.push(`function libraries in the file (${functions}) are not keys and were skipped`);
}

const HINT =
  'Load it into a newer server and save it from there, or make a dump in another format there: docs/format.md.';

function readHeader(window: Window): { dialect: Dialect; version: number } {
  const magic = window.bytes(9).toString('latin1');
  const isValkey = magic.startsWith('VALKEY');
  return { dialect: isValkey ? 'valkey' : 'redis', version: Number(magic.slice(isValkey ? 6 : 5)) };
}

function unknownFault(what: string, offset: number): FileFault {
  return new FileFault(
    'newer-format',
    `byte ${offset}`,
    `${what} of an RDB file is unknown`,
    'It was written by a newer server. Load it into such a server, and take a backup of that database or a dump in another format: docs/format.md.',
  );
}

function readAux([name, value]: readonly [Buffer, Buffer], facts: ReadingFacts): void {
  if (name.toString('latin1') === 'aof-base' && value.toString('latin1') === '1')
    throw appendOnlyFault('', 'the base of an append-only file');
  const seconds = Number(value.toString('latin1'));
  if (name.toString('latin1') === 'ctime' && Number.isSafeInteger(seconds)) facts.takenAt = seconds * 1000;
}

/** The last eight bytes are the checksum of all bytes before; 0 when the server was configured to write none. */
async function checkEnd(reader: ByteReader, crc: Crc64, facts: ReadingFacts): Promise<void> {
  reader.flush();
  const computed = crc.value();
  const stored = await reader.read((window) => window.u64le());
  if (stored === 0n) facts.remarks.push('the RDB file has no checksum, so altered bytes cannot be detected');
  else if (stored !== computed) throw malformedFault('', 'its checksum does not match: some bytes were altered');
  if (!(await reader.isAtEnd()))
    throw malformedFault(
      `byte ${reader.offset}`,
      'something follows the end of the RDB file',
      'An append-only file with an RDB file at its beginning is not supported: make the server save an RDB file (BGSAVE).',
    );
}

const MODULE_NAME_ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';

/** An id has nine letters of six bits, and ten bits of a version. */
function moduleName(id: bigint): string {
  let name = '';
  for (let at = 0n; at < 9n; at++) name = MODULE_NAME_ALPHABET.charAt(Number((id >> (10n + at * 6n)) & 63n)) + name;
  return name;
}

async function skipModule(reader: ByteReader): Promise<string> {
  const id = await reader.read(readPlainCount);
  await skipModuleValues(reader);
  return moduleName(id);
}

async function skipAux(reader: ByteReader): Promise<void> {
  await reader.read((window) => [readPlainCount(window), readPlainCount(window), readPlainCount(window)]);
  await skipModuleValues(reader);
}

/** Module values declare the kind of each piece, so they can be skipped. */
async function skipModuleValues(reader: ByteReader): Promise<void> {
  for (;;) {
    const kind = await reader.read(readPlainLength);
    if (kind === 0) return;
    if (kind === 1 || kind === 2) await reader.read(readPlainCount);
    else if (kind === 3) await reader.read((window) => window.bytes(4));
    else if (kind === 4) await reader.read((window) => window.bytes(8));
    else if (kind === 5) await reader.read(readString);
    else throw new RdbError("a module's value is damaged");
  }
}

/** Jones' polynomial, reflected, as in Redis. */
const POLYNOMIAL = 0x95ac9329ac4bc9b5n;
const LOW = new Uint32Array(256);
const HIGH = new Uint32Array(256);

for (let byte = 0; byte < 256; byte++) {
  let crc = BigInt(byte);
  for (let bit = 0; bit < 8; bit++) crc = (crc & 1n) === 1n ? (crc >> 1n) ^ POLYNOMIAL : crc >> 1n;
  LOW[byte] = Number(crc & 0xffffffffn);
  HIGH[byte] = Number(crc >> 32n);
}

/** The CRC-64 of RDB files. Computed in two halves, since a JavaScript number cannot hold 64 bits. */
class Crc64 {
  private low = 0;
  private high = 0;

  update(bytes: Uint8Array): void {
    let { low, high } = this;
    for (let at = 0; at < bytes.length; at++) {
      const index = (low ^ (bytes[at] as number)) & 0xff;
      low = ((low >>> 8) | (high << 24)) ^ (LOW[index] as number);
      high = (high >>> 8) ^ (HIGH[index] as number);
    }
    this.low = low;
    this.high = high;
  }

  value(): bigint {
    return (BigInt(this.high >>> 0) << 32n) | BigInt(this.low >>> 0);
  }
}
