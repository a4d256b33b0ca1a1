import { AppError } from '../../errors.js';
import type { RedisArgument, RedisCommand, RedisReply } from '../../ports/redis.js';
import type { RecordLine, StreamValue, PendingEntry, StreamGroup } from '../../snapshot/record.js';
import { pagesOf, sendPage } from './pages.js';
import { withWireSize, valueCommands, type ValueCommand } from './commands.js';
import { commandError, stagedKeyError, valuesOf } from './errors.js';
import type { Writer } from './writer.js';
import { COMMAND_ELEMENTS, toArgument } from './size.js';

/** Writes a whole stream under a staged name. Returns the expected number of entries. */
export async function loadStream(writer: Writer, name: string, lines: AsyncIterable<RecordLine>): Promise<number> {
  const tail: StreamTail = { lastEntry: null, state: null };
  const adds = await sendEntries(writer, name, entriesOf(name, lines, tail));
  if (tail.state !== null) {
    await sendLastId(writer, name, tail.lastEntry, tail.state);
    await sendGroups(writer, name, tail.state.groups ?? []);
  }
  await checkLength(writer, name, adds);
  return adds.sent;
}

interface StreamTail {
  lastEntry: string | null;
  /** State that only the last line has. */
  state: StreamValue | null;
}

async function* entriesOf(
  name: string,
  lines: AsyncIterable<RecordLine>,
  tail: StreamTail,
): AsyncGenerator<ValueCommand> {
  for await (const line of lines) {
    yield* valueCommands(name, line);
    const value = line.v as StreamValue;
    tail.lastEntry = value.entries.at(-1)?.[0] ?? tail.lastEntry;
    if (value.lastId !== undefined) tail.state = value;
  }
}

interface Adds {
  sent: number;
  refused: RedisReply | null;
}

/**
 * An entry that is sent twice is refused with `equal or smaller than the target stream top item`, and exists already.
 * Words that also occur in the entry may be redacted from that text, so the stream's length decides.
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

/** Sets the stream's last id: by adding and deleting an entry, or by creating a group if the stream never had an entry. */
async function sendLastId(writer: Writer, name: string, lastEntry: string | null, state: StreamValue): Promise<void> {
  const commands = lastIdCommands(name, lastEntry, state);
  if (commands.length > 0) await sendTolerant(writer, name, commands);
  await sendCounters(writer, name, state);
}

/** The commands that set a stream's last id; none when its last entry has set it. */
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

/** The command that sets a stream's counters, for servers that support it; null when there are none. */
export function countersCommand(
  name: RedisArgument,
  { entriesAdded, lastId = NOTHING_YET, maxDeletedId }: Omit<StreamValue, 'entries'>,
): RedisCommand | null {
  if (entriesAdded === undefined && maxDeletedId === undefined) return null;
  const added = entriesAdded === undefined ? [] : ['ENTRIESADDED', entriesAdded];
  const deleted = maxDeletedId === undefined ? [] : ['MAXDELETEDID', maxDeletedId];
  return ['XSETID', name, lastId, ...added, ...deleted];
}

/** Commands that an earlier try completed are refused with ERR or BUSYGROUP. */
async function sendTolerant(writer: Writer, name: string, commands: readonly RedisCommand[]): Promise<void> {
  const replies = await sendPage(writer, name, commands);
  for (const [at, reply] of replies.entries()) {
    if (!('error' in reply) || /^(ERR|BUSYGROUP)\b/.test(reply.error)) continue;
    throw commandError(commands[at]?.[0] ?? 'XADD', reply.error);
  }
}

/** Upstash has no XSETID: there the count of all entries ever added starts again. */
async function sendCounters({ wire }: Writer, name: string, state: StreamValue): Promise<void> {
  const command = countersCommand(name, state);
  if (command === null) return;
  await wire.pipeline([command]).catch((error: unknown) => {
    if (!(error instanceof AppError) || error.code !== 'redis-command') throw error;
  });
}

/** Writes groups, their consumers and their pending entries. */
async function sendGroups(writer: Writer, name: string, groups: readonly StreamGroup[]): Promise<void> {
  for (const group of groups) {
    await createGroup(writer, name, group);
    for await (const { commands } of pagesOf(membersOf(name, group), writer.wire.pageBytes))
      valuesOf(await sendPage(writer, name, commands), commands);
  }
}

/** Older servers do not support ENTRIESREAD; then the group's lag is unknown, as it was on such a server. */
async function createGroup({ wire }: Writer, name: string, group: StreamGroup): Promise<void> {
  const create = createCommand(name, { ...group, entriesRead: null });
  const tries: RedisCommand[] = group.entriesRead === null ? [create] : [createCommand(name, group), create];
  let refusal = '';
  for (const command of tries) {
    const [reply] = await wire.pipeline([command]);
    if (reply !== undefined && 'value' in reply) return;
    refusal = reply?.error ?? '';
    // The group was created by an earlier try whose reply was lost.
    if (refusal.startsWith('BUSYGROUP')) return;
  }
  throw commandError('XGROUP', refusal);
}

/** The command that creates a group, without its consumers. */
export function createCommand(name: RedisArgument, group: StreamGroup): RedisCommand {
  const create: RedisCommand = ['XGROUP', 'CREATE', name, toArgument(group.name), group.lastId];
  return group.entriesRead === null ? create : [...create, 'ENTRIESREAD', group.entriesRead];
}

/** The commands that add a group's consumers and pending entries. */
export function* membersOf(name: RedisArgument, group: StreamGroup): Generator<ValueCommand> {
  const groupName = toArgument(group.name);
  for (const consumer of group.consumers) {
    yield withWireSize(['XGROUP', 'CREATECONSUMER', name, groupName, toArgument(consumer)], 1);
  }
  for (const entries of groupDeliveries(group.pending)) {
    const [, consumer, time, deliveries] = entries[0];
    const ids = entries.map(([id]) => id);
    const state: RedisArgument[] = ['TIME', time, 'RETRYCOUNT', deliveries, 'FORCE', 'JUSTID'];
    yield withWireSize(['XCLAIM', name, groupName, toArgument(consumer), 0, ...ids, ...state], 1);
  }
}

type Delivery = [PendingEntry, ...PendingEntry[]];

/** Groups adjacent entries of one delivery, which share a command. */
function* groupDeliveries(pending: readonly PendingEntry[]): Generator<Delivery> {
  let open: Delivery | null = null;
  for (const entry of pending) {
    if (open !== null && open.length < COMMAND_ELEMENTS && isSameDelivery(open[0], entry)) {
      open.push(entry);
      continue;
    }
    if (open !== null) yield open;
    open = [entry];
  }
  if (open !== null) yield open;
}

function isSameDelivery(a: PendingEntry, b: PendingEntry): boolean {
  return a[2] === b[2] && a[3] === b[3] && JSON.stringify(a[1]) === JSON.stringify(b[1]);
}
