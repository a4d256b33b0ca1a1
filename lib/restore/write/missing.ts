import type { RedisArgument, RedisCommand, RedisReply, SentCommand } from '../../ports/redis.js';
import { fitsSet, toArgument as timeArgument } from '../../snapshot/record.js';
import { itemCommands } from './commands.js';
import { commandError, valuesOf } from './errors.js';
import { NO_COUNTS, type BatchItem, type WriteCounts, type Writer } from './model.js';
import { attachKey } from './refusal.js';
import { textOf } from './size.js';

/** Writes records whose keys are absent, and never overwrites one that another client creates meanwhile. */
export async function writeMissing(writer: Writer, items: readonly BatchItem[]): Promise<WriteCounts> {
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
