import {
  toArgument as timeArgument,
  compareExpiry,
  isDue,
  keyOf,
  type ExpiryTime,
  type RecordLine,
  type RecordType,
} from '../../snapshot/record.js';
import type { RedisArgument, RedisCommand, RedisReply } from '../../ports/redis.js';
import { fromText, type Text } from '../../soulcaster/text.js';
import { errorKind } from '../../snapshot/read/batch.js';
import type { TargetRecord } from '../model.js';
import { STAGED_TTL_MS, sizeOf, toArgument } from './size.js';
import { valueCommands, type ValueCommand } from './commands.js';
import { stagedKeyError, valuesOf, commandError, attachKey } from './errors.js';
import { NO_COUNTS, type WriteCounts, type Writer } from './writer.js';
import { pagesOf, sendPage, writePieces } from './pages.js';
import { loadStream } from './stream.js';

/** Writes a record page by page under a staged name, and then renames it to its key in one step. */
export async function writeStaged(writer: Writer, record: TargetRecord): Promise<WriteCounts> {
  const { first } = record;
  const key = toArgument(first.k);
  if (writer.mode === 'missing' && (await keyExists(writer, key))) return { ...NO_COUNTS, kept: 1 };
  const name = writer.stagedName();
  const meter: Meter = { bytes: keyOf(first).length, lasting: 0, latest: 0 };
  const isOver = (): boolean => meter.lasting === 0 && isDue(meter.latest, writer.now());
  try {
    const expected = await load(writer, name, first.t, linesOf(record, meter), isOver);
    const state = await stateOf(writer, name, first.t);
    if (state.type === 'none' && (expected === 0 || isOver())) return await removeEmpty(writer, key);
    if (isCounted(first.t) ? state.size !== expected : state.type === 'none') throw stagedKeyError();
    const staged = { name, key, type: first.t, expiresAt: first.x, state, bytes: meter.bytes };
    // Renames the key to its final name, whole and with its expiry.
    return await (writer.mode === 'missing' ? publishMissing(writer, staged) : publishOver(writer, staged));
  } catch (error) {
    // The last fields may have expired in between.
    if (isOver() && (await stateOf(writer, name, first.t)).type === 'none') return await removeEmpty(writer, key);
    await writer.wire.sweep([name]);
    throw attachKey(key, error);
  }
}

/** Whether elements can be counted. Not in a hash, set or zset, where HSCAN and the like may repeat elements. */
function isCounted(type: RecordType): boolean {
  return type === 'string' || type === 'list' || type === 'stream';
}

async function keyExists({ wire }: Writer, key: RedisArgument): Promise<boolean> {
  const commands: RedisCommand[] = [['EXISTS', key]];
  return valuesOf(await wire.pipeline(commands), commands)[0] !== 0;
}

interface Meter {
  bytes: number;
  /** Elements without an expiry. */
  lasting: number;
  /** The latest expiry of the others. */
  latest: ExpiryTime;
}

async function* linesOf({ first, rest }: TargetRecord, meter: Meter): AsyncGenerator<RecordLine> {
  const keyBytes = meter.bytes;
  const measured = (line: RecordLine): RecordLine => {
    meter.bytes += sizeOf(line).bytes - keyBytes;
    meter.lasting += line.t === 'hash' ? (line.v as readonly unknown[]).length - (line.fx?.length ?? 0) : 1;
    for (const [, time] of line.fx ?? []) if (compareExpiry(time, meter.latest) > 0) meter.latest = time;
    return line;
  };
  yield measured(first);
  for await (const line of rest ?? []) yield measured(line);
}

/** Writes the lines under the staged name. Returns the expected size: bytes of a string, elements of others. */
function load(
  writer: Writer,
  name: string,
  type: RecordType,
  lines: AsyncIterable<RecordLine>,
  isOver: () => boolean,
): Promise<number> {
  if (type === 'string') return loadString(writer, name, lines);
  return type === 'stream' ? loadStream(writer, name, lines) : loadElements(writer, name, type, lines, isOver);
}

async function loadString({ wire }: Writer, name: string, lines: AsyncIterable<RecordLine>): Promise<number> {
  let length = 0;
  for await (const line of lines) length = await writePieces(wire, name, fromText(line.v as Text), length);
  if (length > 0) return length;
  // SETRANGE of an empty string creates no key, but an empty string is a value.
  const empty: RedisCommand[] = [['SET', name, '', 'PX', STAGED_TTL_MS]];
  valuesOf(await wire.transaction(empty), empty);
  return 0;
}

async function loadElements(
  writer: Writer,
  name: string,
  type: RecordType,
  lines: AsyncIterable<RecordLine>,
  isOver: () => boolean,
): Promise<number> {
  let elements = 0;
  for await (const page of pagesOf(commandsOf(writer, name, lines), writer.wire.pageBytes)) {
    // A page would recreate a key that was removed meanwhile, and the rest would be taken for the whole value.
    const before: RedisCommand[] = elements > 0 ? [['EXISTS', name]] : [];
    elements += page.elements;
    // A page of a list that is sent twice would be appended twice.
    const after: RedisCommand[] = type === 'list' ? [['LTRIM', name, 0, elements - 1]] : [];
    const commands = [...before, ...page.commands];
    const [there] = valuesOf(await sendPage(writer, name, commands, after), [...commands, ...after]);
    if (before.length > 0 && there !== 1 && !isOver()) throw stagedKeyError();
  }
  return elements;
}

async function* commandsOf(
  writer: Writer,
  name: string,
  lines: AsyncIterable<RecordLine>,
): AsyncGenerator<ValueCommand> {
  for await (const line of lines) {
    if (line.fx !== undefined) await writer.needFieldExpiry();
    yield* valueCommands(name, line, writer.wire.pageBytes);
  }
}

/** Redis has no empty collections: such a record counts as expired. */
async function removeEmpty({ wire, mode }: Writer, key: RedisArgument): Promise<WriteCounts> {
  if (mode !== 'replace') return { ...NO_COUNTS, expired: 1 };
  const commands: RedisCommand[] = [['UNLINK', key]];
  const [removed] = valuesOf(await wire.transaction(commands), commands);
  return { ...NO_COUNTS, expired: 1, removed: Number(removed) };
}

/** Distinguishes a published value from another: `type` as reported by TYPE (`none`: no key), and the size. */
interface KeyState {
  readonly type: string;
  /** Bytes of a string, otherwise elements; 1 for a JSON document. */
  readonly size: number;
}

interface Staged {
  readonly name: string;
  readonly key: RedisArgument;
  readonly type: RecordType;
  readonly expiresAt: ExpiryTime | undefined;
  readonly state: KeyState;
  /** Bytes of key and value. */
  readonly bytes: number;
}

const SIZES = {
  string: 'STRLEN',
  hash: 'HLEN',
  list: 'LLEN',
  set: 'SCARD',
  zset: 'ZCARD',
  stream: 'XLEN',
  json: 'EXISTS',
} as const satisfies Record<RecordType, string>;

async function stateOf({ wire }: Writer, key: RedisArgument, type: RecordType): Promise<KeyState> {
  const [found, size] = await wire.pipeline([
    ['TYPE', key],
    [SIZES[type], key],
  ]);
  if (found === undefined || 'error' in found) throw commandError('TYPE', found?.error ?? '');
  // A key of another type has no size here; its type distinguishes it.
  const counted = size !== undefined && 'value' in size ? Number(size.value) : -1;
  return { type: Buffer.isBuffer(found.value) ? found.value.toString('latin1') : '', size: counted };
}

async function publishOver(writer: Writer, staged: Staged): Promise<WriteCounts> {
  const { name, key } = staged;
  const commands: [RedisCommand, RedisCommand] = [['RENAME', name, key], expiryCommand(key, staged)];
  const [renamed, expiry] = await writer.wire.transaction(commands);
  if (!isRefused(renamed)) {
    valuesOf([expiry ?? { error: '' }], [commands[1]]);
    return writtenCounts(staged);
  }
  return resolveGoneKey(writer, staged, 'RENAME', renamed);
}

/** The expiry is set before the rename: RENAMENX may keep a key that is not ours. */
async function publishMissing(writer: Writer, staged: Staged): Promise<WriteCounts> {
  const { name, key } = staged;
  const [expiry, renamed] = await writer.wire.transaction([
    expiryCommand(name, staged),
    ['RENAMENX', name, key],
    ['UNLINK', name],
  ]);
  if (!isRefused(renamed)) {
    return renamed !== undefined && 'value' in renamed && renamed.value === 1
      ? writtenCounts(staged)
      : { ...NO_COUNTS, kept: 1 };
  }
  const hasExpired = staged.expiresAt !== undefined && expiry !== undefined && 'value' in expiry && expiry.value === 1;
  return hasExpired ? { ...NO_COUNTS, expired: 1 } : resolveGoneKey(writer, staged, 'RENAMENX', renamed);
}

function expiryCommand(key: RedisArgument, { expiresAt }: Staged): RedisCommand {
  return expiresAt === undefined ? ['PERSIST', key] : ['PEXPIREAT', key, timeArgument(expiresAt)];
}

function isRefused(reply: RedisReply | undefined): reply is { error: string } {
  return reply !== undefined && 'error' in reply;
}

/** Decides why the staged key is gone: an earlier try, whose reply was lost, renamed it, or it was lost. */
async function resolveGoneKey(
  writer: Writer,
  staged: Staged,
  name: string,
  { error }: { readonly error: string },
): Promise<WriteCounts> {
  if (errorKind(error) !== 'ERR') throw commandError(name, error);
  const now = await stateOf(writer, staged.key, staged.type);
  if (now.type === staged.state.type && now.size === staged.state.size) return writtenCounts(staged);
  throw stagedKeyError();
}

function writtenCounts({ bytes }: Staged): WriteCounts {
  return { ...NO_COUNTS, written: 1, bytes };
}
