import type { RedisCommand, RedisReply } from '../../ports/redis.js';
import { fitsSet, toArgument as timeArgument } from '../../snapshot/expiry-time.js';
import type { Text } from '../../snapshot/text.js';
import type { BatchItem } from './batch.js';
import { valueCommands } from './commands.js';
import { commandError, valuesOf } from './errors.js';
import { NO_COUNTS, type WriteCounts, type Writer } from './model.js';
import { toArgument } from './size.js';

/** Writes those that are not there, and never over one that somebody creates meanwhile. */
export async function writeMissing(writer: Writer, items: readonly BatchItem[]): Promise<WriteCounts> {
  const absent = await absentOf(writer, items);
  if (absent.length === 0) return { ...NO_COUNTS, kept: items.length };
  const plan = planOf(writer, absent);
  const replies = await writer.wire.transaction(plan.commands);
  checkOthers(plan, replies);
  const written = absent.filter((item, at) => isWritten(item, plan, replies, at));
  return {
    ...NO_COUNTS,
    written: written.length,
    kept: items.length - written.length,
    bytes: written.reduce((sum, { bytes }) => sum + bytes, 0),
  };
}

/** One EXISTS counts them all: only where some are there and some are not, each is asked for. */
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
  readonly commands: RedisCommand[];
  /** Where in `commands` the one stands that gives each item its name. */
  readonly decisive: number[];
}

function planOf(writer: Writer, items: readonly BatchItem[]): Plan {
  const commands: RedisCommand[] = [];
  const staged: string[] = [];
  const decisive = items.map(({ key, line }) => {
    if (isSetAtOnce(line)) {
      const expiry = line.x === undefined ? [] : ['PXAT', timeArgument(line.x)];
      return commands.push(['SET', key, toArgument(line.v as Text), 'NX', ...expiry]) - 1;
    }
    const name = writer.stagedName();
    staged.push(name);
    if (line.t === 'string') commands.push(['SET', name, toArgument(line.v as Text)]);
    else for (const { command } of valueCommands(name, line)) commands.push(command);
    if (line.x !== undefined) commands.push(['PEXPIREAT', name, timeArgument(line.x)]);
    return commands.push(['RENAMENX', name, key]) - 1;
  });
  if (staged.length > 0) commands.push(['UNLINK', ...staged]);
  return { commands, decisive };
}

function isWritten({ line }: BatchItem, { decisive }: Plan, replies: readonly RedisReply[], at: number): boolean {
  const reply = replies[decisive[at] ?? -1];
  if (reply === undefined) throw commandError('a batch', 'no reply');
  if ('value' in reply) return reply.value !== null && reply.value !== 0;
  // A key whose time is over by now went away under its staged name; it would have under its own.
  if (line.x !== undefined && !isSetAtOnce(line) && reply.error.startsWith('ERR')) return true;
  throw commandError(isSetAtOnce(line) ? 'SET' : 'RENAMENX', reply.error);
}

/** What SET does not take with PXAT is staged as collections are: the key must not be there without its expiry. */
function isSetAtOnce({ t, x }: BatchItem['line']): boolean {
  return t === 'string' && (x === undefined || fitsSet(x));
}

function checkOthers({ commands, decisive }: Plan, replies: readonly RedisReply[]): void {
  const judged = new Set(decisive);
  const others = commands.flatMap((_, at) => (judged.has(at) ? [] : [at]));
  valuesOf(
    others.map((at) => replies[at] ?? { error: 'no reply' }),
    others.map((at) => commands[at] as RedisCommand),
  );
}
