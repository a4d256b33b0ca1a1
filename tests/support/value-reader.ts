import type { Redis } from 'ioredis';
import { batch, bufferOf, buffersOf, call, listOf, numberOf, textOf, type Command, type Reply } from './redis-calls.js';
import { addStreamTail, scoreBytes, type StreamGroup, type ValueDigest } from './value-digest.js';

const ELEMENTS_AT_ONCE = 200;
const ELEMENTS_A_PAGE = 1000;
const BYTES_A_PAGE = 1024 * 1024;

/** Whether a value of that size is read in one command. */
export function isSmall(type: string, size: number): boolean {
  if (type === 'stream') return false;
  return size <= (type === 'string' ? BYTES_A_PAGE : ELEMENTS_AT_ONCE);
}

/** The command that reads a small value. */
export function wholeValue(type: string, key: Buffer): Command {
  if (type === 'string') return ['GET', key];
  if (type === 'hash') return ['HGETALL', key];
  if (type === 'set') return ['SMEMBERS', key];
  if (type === 'zset') return ['ZRANGE', key, '0', '-1', 'WITHSCORES'];
  if (type === 'list') return ['LRANGE', key, '0', '-1'];
  if (type === 'json') return ['JSON.GET', key];
  throw new Error(`this reader does not know the type ${type}`);
}

/** Adds what one of these commands replied. */
export function addReply(digest: ValueDigest, type: string, reply: Reply): void {
  if (type === 'string' || type === 'json') {
    digest.bytes(bufferOf(reply));
    return;
  }
  const items = buffersOf(reply);
  const step = type === 'hash' || type === 'zset' ? 2 : 1;
  for (let index = 0; index < items.length; index += step) {
    const first = bufferOf(items[index]);
    if (step === 1) digest.element(first);
    else if (type === 'hash') digest.element(first, bufferOf(items[index + 1]));
    else digest.element(first, scoreBytes(textOf(items[index + 1])));
  }
}

/** Adds a value page by page. */
export async function addPaged(redis: Redis, digest: ValueDigest, type: string, key: Buffer): Promise<void> {
  if (type === 'stream') return addStream(redis, digest, key);
  if (type === 'hash' || type === 'set') {
    let cursor = '0';
    do {
      const page = [key, cursor, 'COUNT', String(ELEMENTS_A_PAGE)] as const;
      const [next, items] = listOf(await call(redis, [type === 'hash' ? 'HSCAN' : 'SSCAN', ...page]));
      addReply(digest, type, items ?? null);
      cursor = textOf(next);
    } while (cursor !== '0');
    return;
  }
  const step = type === 'string' ? BYTES_A_PAGE : ELEMENTS_A_PAGE;
  for (let start = 0; ; start += step) {
    const range = [key, String(start), String(start + step - 1)] as const;
    const page =
      type === 'string'
        ? await call(redis, ['GETRANGE', ...range])
        : await call(redis, type === 'zset' ? ['ZRANGE', ...range, 'WITHSCORES'] : ['LRANGE', ...range]);
    if (page === null || typeof page === 'number' || page.length === 0) return;
    addReply(digest, type, page);
  }
}

/** Adds when single fields expire. Servers before 7.4 have no expiry of fields, and say that they do not know the command. */
export async function addFieldExpiries(redis: Redis, digest: ValueDigest, key: Buffer): Promise<void> {
  if (!(await knowsFieldExpiry(redis))) return;
  const fields = buffersOf(await call(redis, ['HKEYS', key]));
  for (let start = 0; start < fields.length; start += ELEMENTS_A_PAGE) {
    const page = fields.slice(start, start + ELEMENTS_A_PAGE);
    const times = listOf(await call(redis, ['HPEXPIRETIME', key, 'FIELDS', String(page.length), ...page]));
    page.forEach((field, index) => {
      const time = numberOf(times[index]);
      if (time > 0) digest.element(Buffer.from('field-expiry'), field, Buffer.from(String(time)));
    });
  }
}

const fieldExpiry = new WeakMap<Redis, Promise<boolean>>();

function knowsFieldExpiry(redis: Redis): Promise<boolean> {
  const known = fieldExpiry.get(redis) ?? call(redis, ['COMMAND', 'INFO', 'HPEXPIRETIME']).then(isKnown);
  fieldExpiry.set(redis, known);
  return known;
}

const isKnown = (info: Reply): boolean => Array.isArray(info) && Array.isArray(info[0]);

async function addStream(redis: Redis, digest: ValueDigest, key: Buffer): Promise<void> {
  for (let start = '-'; ;) {
    const entries = listOf(await call(redis, ['XRANGE', key, start, '+', 'COUNT', String(ELEMENTS_A_PAGE)]));
    for (const entry of entries) {
      const [id, fields] = listOf(entry);
      digest.element(bufferOf(id), ...buffersOf(fields));
    }
    const [last] = listOf(entries.at(-1) ?? []);
    if (last === undefined || entries.length < ELEMENTS_A_PAGE) break;
    start = `(${textOf(last)}`;
  }
  const [info, groups] = await batch(redis, [
    ['XINFO', 'STREAM', key],
    ['XINFO', 'GROUPS', key],
  ]);
  const read: StreamGroup[] = [];
  for (const group of listOf(groups)) read.push(await readGroup(redis, key, pairsOf(group)));
  addStreamTail(digest, textOf(pairsOf(info).get('last-generated-id')), read);
}

async function readGroup(redis: Redis, key: Buffer, facts: Map<string, Reply>): Promise<StreamGroup> {
  const name = bufferOf(facts.get('name'));
  const consumers = listOf(await call(redis, ['XINFO', 'CONSUMERS', key, name]));
  const pending: { id: string; consumer: Buffer; deliveries: number }[] = [];
  for (let start = '-'; ;) {
    const page = listOf(await call(redis, ['XPENDING', key, name, start, '+', String(ELEMENTS_A_PAGE)]));
    for (const entry of page) {
      const [id, consumer, , deliveries] = listOf(entry);
      pending.push({ id: textOf(id), consumer: bufferOf(consumer), deliveries: numberOf(deliveries) });
    }
    const last = pending.at(-1);
    if (last === undefined || page.length < ELEMENTS_A_PAGE) break;
    start = `(${last.id}`;
  }
  return {
    name,
    lastId: textOf(facts.get('last-delivered-id')),
    consumers: consumers.map((consumer) => bufferOf(pairsOf(consumer).get('name'))),
    pending,
  };
}

function pairsOf(reply: Reply | undefined): Map<string, Reply> {
  const items = listOf(reply);
  const pairs = new Map<string, Reply>();
  for (let index = 0; index + 1 < items.length; index += 2) pairs.set(textOf(items[index]), items[index + 1] ?? null);
  return pairs;
}
