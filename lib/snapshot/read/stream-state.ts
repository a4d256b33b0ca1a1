import type { RedisCommand, RedisPort, RedisReply, RedisValue } from '../../ports/redis.js';
import { readAtOnce } from '../../redis/at-once.js';
import type { Count, PendingEntry, StreamGroup, StreamValue } from '../record.js';
import { toText } from '../../soulcaster/text.js';
import { asArray, asBuffer } from '../sent-value.js';
import { errorKind } from './batch.js';

const PENDING_PAGE = 1000;

/** The stream is gone, or its type has changed: the key has to be read again. */
export class StreamMoved extends Error {}

/** The groups and ids of the stream cannot be read, now or later. The message is the reason for the ledger. */
export class StreamUnreadable extends Error {}

/** Redis's errors when the key or the group does not exist any more. */
const MOVED = /^(WRONGTYPE|NOGROUP|ERR no such key)/;

interface StreamState {
  /** Id of the newest entry; null when there is none. */
  readonly newest: string | null;
  readonly state: Omit<StreamValue, 'entries'>;
}

/** Reads a stream's groups and ids by XINFO and XPENDING. Throws StreamMoved or StreamUnreadable. */
export async function readStreamState(redis: RedisPort, key: Buffer): Promise<StreamState> {
  const commands: RedisCommand[] = [['XINFO', 'STREAM', key], ['XINFO', 'GROUPS', key], ['TIME']];
  const { values: replies } = await readAtOnce(redis, commands, []);
  const info = asFields(valueOf(replies[0]));
  const groups: StreamGroup[] = [];
  for (const group of asArray(valueOf(replies[1])))
    groups.push(await readGroup(redis, key, asFields(group), replies[2]));
  const newest = info.get('last-entry');
  return {
    newest: Array.isArray(newest) ? asBuffer(newest[0]).toString('latin1') : null,
    state: {
      lastId: textField(info, 'last-generated-id') ?? '0-0',
      ...optionalField('maxDeletedId', textField(info, 'max-deleted-entry-id')),
      ...optionalField('entriesAdded', integerField(info, 'entries-added')),
      groups,
    },
  };
}

async function readGroup(
  redis: RedisPort,
  key: Buffer,
  group: ReadonlyMap<string, RedisValue>,
  time: RedisReply | undefined,
): Promise<StreamGroup> {
  const name = asBuffer(group.get('name'));
  const [consumers, firstPending] = await redis.pipeline([
    ['XINFO', 'CONSUMERS', key, name],
    pendingPage(key, name, '-'),
  ]);
  return {
    name: toText(name),
    lastId: textField(group, 'last-delivered-id') ?? '0-0',
    entriesRead: integerField(group, 'entries-read'),
    consumers: asArray(valueOf(consumers)).map((consumer) => toText(asBuffer(asFields(consumer).get('name')))),
    pending: await readPending(redis, key, name, firstPending, serverTime(time)),
  };
}

async function readPending(
  redis: RedisPort,
  key: Buffer,
  group: Buffer,
  first: RedisReply | undefined,
  now: number,
): Promise<PendingEntry[]> {
  const pending: PendingEntry[] = [];
  for (let reply = first; ;) {
    const page = asArray(valueOf(reply)).map((entry): PendingEntry => {
      const [id, consumer, idle, deliveries] = asArray(entry);
      return [
        asBuffer(id).toString('latin1'),
        toText(asBuffer(consumer)),
        now - Number(idle),
        countOf(deliveries) ?? 0,
      ];
    });
    pending.push(...page);
    const last = page.at(-1);
    if (last === undefined || page.length < PENDING_PAGE) return pending;
    [reply] = await redis.pipeline([pendingPage(key, group, `(${last[0]}`)]);
  }
}

function pendingPage(key: Buffer, group: Buffer, from: string): RedisCommand {
  return ['XPENDING', key, group, from, '+', PENDING_PAGE];
}

function valueOf(reply: RedisReply | undefined): RedisValue {
  if (reply !== undefined && 'value' in reply) return reply.value;
  if (reply !== undefined && MOVED.test(reply.error)) throw new StreamMoved();
  throw new StreamUnreadable(`the description of the stream: ${errorKind(reply?.error ?? '')}`);
}

/** A reply of alternating names and values. */
function asFields(value: RedisValue): Map<string, RedisValue> {
  const items = asArray(value);
  const fields = new Map<string, RedisValue>();
  for (let at = 0; at + 1 < items.length; at += 2) {
    fields.set(asBuffer(items[at]).toString('latin1'), items[at + 1] as RedisValue);
  }
  return fields;
}

function textField(fields: ReadonlyMap<string, RedisValue>, name: string): string | null {
  const value = fields.get(name);
  return Buffer.isBuffer(value) ? value.toString('latin1') : null;
}

function integerField(fields: ReadonlyMap<string, RedisValue>, name: string): Count | null {
  return countOf(fields.get(name));
}

function countOf(value: RedisValue | undefined): Count | null {
  if (typeof value === 'bigint') return String(value);
  return typeof value === 'number' ? value : null;
}

function serverTime(reply: RedisReply | undefined): number {
  const [seconds, micros] = asArray(valueOf(reply)).map((item) => Number(asBuffer(item).toString('latin1')));
  return (seconds ?? 0) * 1000 + Math.floor((micros ?? 0) / 1000);
}

function optionalField<K extends string, V>(name: K, value: V | null): Partial<Record<K, V>> {
  return value === null ? {} : ({ [name]: value } as Record<K, V>);
}
