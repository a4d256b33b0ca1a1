import type { RedisArgument, RedisCommand } from '../../ports/redis.js';
import { fromText, type Text } from '../../snapshot/text.js';
import { compareExpiry, isDue, type ExpiryTime } from '../../snapshot/expiry-time.js';
import { keyOf, type RecordLine, type RecordType } from '../../snapshot/record.js';
import type { TargetRecord } from '../model.js';
import { valueCommands, type ValueCommand } from './commands.js';
import { stagedKeyError, valuesOf } from './errors.js';
import { STAGED_TTL_MS } from './limits.js';
import { NO_COUNTS, type WriteCounts, type Writer } from './model.js';
import { pagesOf, sendPage } from './pages.js';
import { about } from './refusal.js';
import { writePieces } from './pieces.js';
import { publish, stateOf } from './publish.js';
import { sizeOf, toArgument } from './size.js';
import { loadStream } from './stream.js';

/** Writes a record page by page under a separate name, and then puts it in its key's place at once. */
export async function writeStaged(writer: Writer, record: TargetRecord): Promise<WriteCounts> {
  const { first } = record;
  const key = toArgument(first.k);
  if (writer.mode === 'missing' && (await isThere(writer, key))) return { ...NO_COUNTS, kept: 1 };
  const name = writer.stagedName();
  const meter: Meter = { bytes: keyOf(first).length, lasting: 0, latest: 0 };
  const isOver = (): boolean => meter.lasting === 0 && isDue(meter.latest, writer.now());
  try {
    const expected = await load(writer, name, first.t, linesOf(record, meter), isOver);
    const state = await stateOf(writer, name, first.t);
    if (state.type === 'none' && (expected === 0 || isOver())) return await removeEmpty(writer, key);
    if (isCounted(first.t) ? state.size !== expected : state.type === 'none') throw stagedKeyError();
    return await publish(writer, { name, key, type: first.t, expiresAt: first.x, state, bytes: meter.bytes });
  } catch (error) {
    // Its last fields may have expired in between.
    if (isOver() && (await stateOf(writer, name, first.t)).type === 'none') return await removeEmpty(writer, key);
    await writer.wire.sweep([name]);
    throw about(key, error);
  }
}

/** Of a hash, set or zset a snapshot may hold an element twice: HSCAN and the like repeat themselves. */
function isCounted(type: RecordType): boolean {
  return type === 'string' || type === 'list' || type === 'stream';
}

async function isThere({ wire }: Writer, key: RedisArgument): Promise<boolean> {
  const commands: RedisCommand[] = [['EXISTS', key]];
  return valuesOf(await wire.pipeline(commands), commands)[0] !== 0;
}

interface Meter {
  bytes: number;
  /** Elements that do not expire by themselves. */
  lasting: number;
  /** When the last of those that do expires. */
  latest: ExpiryTime;
}

async function* linesOf({ first, rest }: TargetRecord, meter: Meter): AsyncGenerator<RecordLine> {
  const keyBytes = meter.bytes;
  const weighed = (line: RecordLine): RecordLine => {
    meter.bytes += sizeOf(line).bytes - keyBytes;
    meter.lasting += line.t === 'hash' ? (line.v as readonly unknown[]).length - (line.fx?.length ?? 0) : 1;
    for (const [, time] of line.fx ?? []) if (compareExpiry(time, meter.latest) > 0) meter.latest = time;
    return line;
  };
  yield weighed(first);
  for await (const line of rest ?? []) yield weighed(line);
}

/** Writes the lines under the staged name. Returns the size that it must have: bytes of a string, elements of others. */
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
  // SETRANGE of nothing makes no key, and the empty string is one.
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
    // A page would make a key again that was removed meanwhile, and what is left of it would be taken for all of it.
    const before: RedisCommand[] = elements > 0 ? [['EXISTS', name]] : [];
    elements += page.elements;
    // Sent twice, a page of a list would stand there twice.
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

/** Redis has no empty collections: such a record is one whose time is over. */
async function removeEmpty({ wire, mode }: Writer, key: RedisArgument): Promise<WriteCounts> {
  if (mode !== 'replace') return { ...NO_COUNTS, expired: 1 };
  const commands: RedisCommand[] = [['UNLINK', key]];
  const [removed] = valuesOf(await wire.transaction(commands), commands);
  return { ...NO_COUNTS, expired: 1, removed: Number(removed) };
}
