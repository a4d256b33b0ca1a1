import type { RedisArgument, RedisCommand } from '../../ports/redis.js';
import type { PendingEntry, StreamGroup } from '../../snapshot/record.js';
import { commandError, valuesOf } from './errors.js';
import { COMMAND_ELEMENTS, PAGE_ELEMENTS } from './limits.js';
import type { Writer } from './model.js';
import { sendPage } from './pages.js';
import { toArgument, wireBytes } from './size.js';

/** Writes groups, their consumers and their pending entries. */
export async function sendGroups(writer: Writer, name: string, groups: readonly StreamGroup[]): Promise<void> {
  for (const group of groups) {
    await createGroup(writer, name, group);
    for (const page of pagesOf(membersOf(name, group), writer.wire.pageBytes))
      valuesOf(await sendPage(writer, name, page), page);
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
export function* membersOf(name: RedisArgument, group: StreamGroup): Generator<RedisCommand> {
  const groupName = toArgument(group.name);
  for (const consumer of group.consumers) {
    yield ['XGROUP', 'CREATECONSUMER', name, groupName, toArgument(consumer)];
  }
  for (const entries of groupDeliveries(group.pending)) {
    const [, consumer, time, deliveries] = entries[0];
    const ids = entries.map(([id]) => id);
    const state: RedisArgument[] = ['TIME', time, 'RETRYCOUNT', deliveries, 'FORCE', 'JUSTID'];
    yield ['XCLAIM', name, groupName, toArgument(consumer), 0, ...ids, ...state];
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

function* pagesOf(commands: Iterable<RedisCommand>, pageBytes: number): Generator<RedisCommand[]> {
  let page: RedisCommand[] = [];
  let wire = 0;
  for (const command of commands) {
    page.push(command);
    wire += command.reduce<number>((sum, argument) => sum + wireBytes(argument), 0);
    if (page.length < PAGE_ELEMENTS && wire < pageBytes) continue;
    yield page;
    page = [];
    wire = 0;
  }
  if (page.length > 0) yield page;
}
