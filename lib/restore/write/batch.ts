import { toArgument as timeArgument, fitsSet } from '../../snapshot/record.js';
import type { Text } from '../../soulcaster/text.js';
import type { JsonArguments, RedisArgument, SentCommand, RedisCommand, RedisReply } from '../../ports/redis.js';
import { toArgument } from './size.js';
import { itemCommands } from './commands.js';
import { valuesOf, attachKey, commandError } from './errors.js';
import { addCounts, NO_COUNTS, type BatchItem, type WriteCounts, type Writer } from './writer.js';

export interface Batch {
  readonly items: readonly BatchItem[];
  /** Keys that must not be in the target. */
  readonly expired: readonly RedisArgument[];
}

/** Writes a batch according to the mode. An error about the whole batch names the batch's first key. */
export async function writeBatch(writer: Writer, batch: Batch): Promise<WriteCounts> {
  try {
    return await writeWhole(writer, batch);
  } catch (error) {
    throw attachKey(batch.items[0]?.key ?? batch.expired[0] ?? '', error);
  }
}

async function writeWhole(writer: Writer, batch: Batch): Promise<WriteCounts> {
  if (batch.items.some(({ line }) => line.fx !== undefined)) await writer.needFieldExpiry();
  const expired = batch.expired.length;
  if (writer.mode === 'missing') return addCounts(await writeMissing(writer, batch.items), { ...NO_COUNTS, expired });
  return { ...(await writeOver(writer, batch)), expired };
}

/** Writes in one transaction that can run twice: it removes all values to overwrite with one command. */
async function writeOver({ wire, mode }: Writer, { items, expired }: Batch): Promise<WriteCounts> {
  const removes = mode === 'replace' && expired.length > 0;
  const commands: SentCommand[] = removes ? [['UNLINK', ...expired]] : [];
  // SET and MSET replace a value of any type, with its expiry.
  const collections = items.filter(({ line }) => line.t !== 'string');
  if (collections.length > 0) commands.push(['UNLINK', ...collections.map(({ key }) => key)]);
  commands.push(...stringCommands(items));
  for (const item of collections) {
    const { key, line } = item;
    commands.push(...itemCommands(key, item));
    if (line.x !== undefined) commands.push(['PEXPIREAT', key, timeArgument(line.x)]);
  }
  if (commands.length === 0) return NO_COUNTS;
  const [first] = valuesOf(await wire.transaction(commands), commands);
  return {
    ...NO_COUNTS,
    written: items.length,
    removed: removes ? Number(first) : 0,
    bytes: items.reduce((sum, { bytes }) => sum + bytes, 0),
  };
}

/** The value of a string. */
export function textOf({ args, line }: BatchItem): RedisArgument | JsonArguments {
  return args ?? toArgument(line.v as Text);
}

function stringCommands(items: readonly BatchItem[]): SentCommand[] {
  const lasting: SentCommand[number][] = [];
  const commands: SentCommand[] = [];
  for (const item of items) {
    const { key, line } = item;
    if (line.t !== 'string') continue;
    const value = textOf(item);
    if (line.x === undefined) lasting.push(key, value);
    else if (fitsSet(line.x)) commands.push(['SET', key, value, 'PXAT', timeArgument(line.x)]);
    else commands.push(['SET', key, value], ['PEXPIREAT', key, timeArgument(line.x)]);
  }
  if (lasting.length > 0) commands.push(['MSET', ...lasting]);
  return commands;
}

/** Writes records whose keys are absent, and never overwrites one that another client creates meanwhile. */
async function writeMissing(writer: Writer, items: readonly BatchItem[]): Promise<WriteCounts> {
  const absent = await absentOf(writer, items);
  if (absent.length === 0) return { ...NO_COUNTS, kept: items.length };
  const plan = planOf(writer, absent);
  const replies = await writer.wire.transaction(plan.commands);
  checkOthers(plan, replies);
  const outcomes = absent.map((item, at) => outcomeOf(item, plan, replies, at));
  const written = absent.filter((_, at) => outcomes[at] === 'written');
  const expired = outcomes.filter((outcome) => outcome === 'expired').length;
  return {
    ...NO_COUNTS,
    written: written.length,
    kept: items.length - written.length - expired,
    expired,
    bytes: written.reduce((sum, { bytes }) => sum + bytes, 0),
  };
}

/** One EXISTS counts all keys; they are queried singly only when some exist and some do not. */
async function absentOf({ wire }: Writer, items: readonly BatchItem[]): Promise<readonly BatchItem[]> {
  if (items.length === 0) return items;
  const count: RedisCommand[] = [['EXISTS', ...items.map(({ key }) => key)]];
  const [there] = valuesOf(await wire.pipeline(count), count);
  if (there === 0) return items;
  if (there === items.length) return [];
  const each = items.map(({ key }): RedisCommand => ['EXISTS', key]);
  const found = valuesOf(await wire.pipeline(each), each);
  return items.filter((_, at) => found[at] === 0);
}

interface Plan {
  readonly commands: SentCommand[];
  /** For each item, the index in `commands` of the command that creates its key. */
  readonly decisive: number[];
  /** The key of each staged name. */
  readonly owners: ReadonlyMap<SentCommand[number] | undefined, RedisArgument>;
}

function planOf(writer: Writer, items: readonly BatchItem[]): Plan {
  const commands: SentCommand[] = [];
  const owners = new Map<SentCommand[number] | undefined, RedisArgument>();
  const decisive = items.map((item) => {
    const { key, line } = item;
    if (isSetAtOnce(line)) {
      const expiry = line.x === undefined ? [] : ['PXAT', timeArgument(line.x)];
      return commands.push(['SET', key, textOf(item), 'NX', ...expiry]) - 1;
    }
    const name = writer.stagedName();
    owners.set(name, key);
    if (line.t === 'string') commands.push(['SET', name, textOf(item)]);
    else commands.push(...itemCommands(name, item));
    if (line.x !== undefined) commands.push(['PEXPIREAT', name, timeArgument(line.x)]);
    return commands.push(['RENAMENX', name, key]) - 1;
  });
  if (owners.size > 0) commands.push(['UNLINK', ...(owners.keys() as Iterable<string>)]);
  return { commands, decisive, owners };
}

function outcomeOf(
  { key, line }: BatchItem,
  { decisive }: Plan,
  replies: readonly RedisReply[],
  at: number,
): 'written' | 'kept' | 'expired' {
  const reply = replies[decisive[at] ?? -1];
  if (reply === undefined) throw commandError('a batch', 'no reply');
  if ('value' in reply) return reply.value !== null && reply.value !== 0 ? 'written' : 'kept';
  // A key or hash that has expired by now vanished under its staged name, as it would have under its own.
  if (mayExpire(line) && !isSetAtOnce(line) && reply.error.startsWith('ERR')) return 'expired';
  throw attachKey(key, commandError(isSetAtOnce(line) ? 'SET' : 'RENAMENX', reply.error));
}

/** Whether the value can vanish entirely: the key expires, or every field does. */
function mayExpire({ x, fx, v }: BatchItem['line']): boolean {
  return x !== undefined || (fx !== undefined && fx.length === (v as readonly unknown[]).length);
}

/** Whether one SET writes value and expiry. Otherwise it is staged: a key must never exist without its expiry. */
function isSetAtOnce({ t, x }: BatchItem['line']): boolean {
  return t === 'string' && (x === undefined || fitsSet(x));
}

function checkOthers({ commands, decisive, owners }: Plan, replies: readonly RedisReply[]): void {
  const decided = new Set(decisive);
  for (const [at, command] of commands.entries()) {
    const reply = replies[at] ?? { error: 'no reply' };
    if (decided.has(at) || 'value' in reply) continue;
    throw attachKey(owners.get(command[1]) ?? '', commandError(command[0], reply.error));
  }
}
