import type { RedisArgument, RedisCommand, RedisReply } from '../../ports/redis.js';
import type { RecordLine, StreamValue } from '../../snapshot/record.js';
import { valueCommands, type ValueCommand } from './commands.js';
import { commandError, stagedKeyError } from './errors.js';
import type { Writer } from './model.js';
import { pagesOf, sendPage } from './pages.js';
import { sendGroups } from './stream-groups.js';

/** Writes a whole stream under a staged name. Returns how many entries it must have. */
export async function loadStream(writer: Writer, name: string, lines: AsyncIterable<RecordLine>): Promise<number> {
  const seen: Seen = { lastEntry: null, state: null };
  const adds = await sendEntries(writer, name, entriesOf(name, lines, seen));
  if (seen.state !== null) {
    await sendLastId(writer, name, seen.lastEntry, seen.state);
    await sendGroups(writer, name, seen.state.groups ?? []);
  }
  await checkLength(writer, name, adds);
  return adds.sent;
}

interface Seen {
  lastEntry: string | null;
  /** What stands on the last line alone. */
  state: StreamValue | null;
}

async function* entriesOf(name: string, lines: AsyncIterable<RecordLine>, seen: Seen): AsyncGenerator<ValueCommand> {
  for await (const line of lines) {
    yield* valueCommands(name, line);
    const value = line.v as StreamValue;
    seen.lastEntry = value.entries.at(-1)?.[0] ?? seen.lastEntry;
    if (value.lastId !== undefined) seen.state = value;
  }
}

interface Adds {
  sent: number;
  refused: RedisReply | null;
}

/**
 * An entry that is sent a second time is refused with `equal or smaller than the target stream top item`, and is there
 * already. The text may have lost words that stand in the entry as well, so it is the stream's length that decides.
 */
async function sendEntries(writer: Writer, name: string, commands: AsyncIterable<ValueCommand>): Promise<Adds> {
  const adds: Adds = { sent: 0, refused: null };
  for await (const page of pagesOf(commands, writer.wire.pageBytes)) {
    const replies = await sendPage(writer, name, page.commands);
    adds.sent += page.elements;
    for (const reply of replies) {
      if (!('error' in reply)) continue;
      if (!reply.error.startsWith('ERR')) throw commandError('XADD', reply.error);
      adds.refused ??= reply;
    }
  }
  return adds;
}

async function checkLength({ wire }: Writer, name: string, adds: Adds): Promise<void> {
  const [reply] = await wire.pipeline([['XLEN', name]]);
  if (reply !== undefined && 'value' in reply && reply.value === adds.sent) return;
  if (adds.refused !== null && 'error' in adds.refused) throw commandError('XADD', adds.refused.error);
  throw stagedKeyError();
}

const NOTHING_YET = '0-0';
const TEMPORARY_GROUP = 'soulcaster-backup';

/** Brings the stream's last id to where it was: by an entry that is deleted again, or by a group where it never had one. */
async function sendLastId(writer: Writer, name: string, lastEntry: string | null, state: StreamValue): Promise<void> {
  const commands = lastIdCommands(name, lastEntry, state);
  if (commands.length > 0) await sendTolerant(writer, name, commands);
  await sendCounters(writer, name, state);
}

/** The commands that bring a stream's last id to where it was; none where its last entry has done so. */
export function lastIdCommands(
  name: RedisArgument,
  lastEntry: string | null,
  { lastId = NOTHING_YET }: Omit<StreamValue, 'entries'>,
): RedisCommand[] {
  if (lastId !== (lastEntry ?? NOTHING_YET)) {
    return [
      ['XADD', name, lastId, 'f', ''],
      ['XDEL', name, lastId],
    ];
  }
  if (lastEntry !== null) return [];
  return [
    ['XGROUP', 'CREATE', name, TEMPORARY_GROUP, '0', 'MKSTREAM'],
    ['XGROUP', 'DESTROY', name, TEMPORARY_GROUP],
  ];
}

/** The command that sets what a stream counts, for servers that know it; null where it counts nothing. */
export function countersCommand(
  name: RedisArgument,
  { entriesAdded, lastId = NOTHING_YET, maxDeletedId }: Omit<StreamValue, 'entries'>,
): RedisCommand | null {
  if (entriesAdded === undefined && maxDeletedId === undefined) return null;
  const added = entriesAdded === undefined ? [] : ['ENTRIESADDED', entriesAdded];
  const deleted = maxDeletedId === undefined ? [] : ['MAXDELETEDID', maxDeletedId];
  return ['XSETID', name, lastId, ...added, ...deleted];
}

/** What was done by an earlier try is refused with ERR or BUSYGROUP. */
async function sendTolerant(writer: Writer, name: string, commands: readonly RedisCommand[]): Promise<void> {
  const replies = await sendPage(writer, name, commands);
  for (const [at, reply] of replies.entries()) {
    if (!('error' in reply) || /^(ERR|BUSYGROUP)\b/.test(reply.error)) continue;
    throw commandError(commands[at]?.[0] ?? 'XADD', reply.error);
  }
}

/** Upstash has no XSETID: there a stream's count of all entries ever added starts again. */
async function sendCounters({ wire }: Writer, name: string, state: StreamValue): Promise<void> {
  const command = countersCommand(name, state);
  if (command === null) return;
  await wire.pipeline([command]).catch((error: unknown) => {
    if (!isRefusal(error)) throw error;
  });
}

function isRefusal(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'redis-command';
}
