import { createHash } from 'node:crypto';
import { Redis } from 'ioredis';

/** One key as a server holds it, read without any code of the product. */
export interface PlainEntry {
  /** As TYPE says; the JSON module's name is `json`. */
  readonly type: string;
  /** Milliseconds since the epoch in decimal digits; null for a key that stays. */
  readonly expiresAt: string | null;
  /** The value in a canonical text: equal texts are equal values. Long ones are `sha256:` and hex. */
  readonly value: string;
  /** Hash fields (latin1) with a time of their own, in decimal digits. */
  readonly fields?: Readonly<Record<string, string>>;
}

/** By the key's bytes as latin1. */
export type PlainDump = Map<string, PlainEntry>;

/** A reply with integers as text, so that 64 bits survive. */
type Reply = Buffer | string | null | Reply[] | Error;
type Command = readonly [name: string, ...args: (string | Buffer)[]];

const AT_ONCE = 200;
const LONG = 160;

/** A connection for `dumpDatabase`; it fails at once instead of trying again. */
export function openPlain(url: string, auth: { username?: string; password?: string } = {}): Redis {
  const redis = new Redis(url, {
    protocol: 2,
    stringNumbers: true,
    retryStrategy: () => null,
    maxRetriesPerRequest: 0,
    ...auth,
  });
  redis.on('error', () => undefined);
  return redis;
}

/**
 * Every key of a database. Nothing may write meanwhile; what expires meanwhile may be absent. `whole`: long values are
 * given in full.
 */
export async function dumpDatabase(redis: Redis, whole = false): Promise<PlainDump> {
  const dump: PlainDump = new Map();
  const [listed] = await run(redis, [['KEYS', '*']]);
  const names = list(listed).map(bytes);
  const knowsFields = await knows(redis, 'HPEXPIRETIME');
  for (let at = 0; at < names.length; at += AT_ONCE) {
    const page = names.slice(at, at + AT_ONCE);
    for (const [name, entry] of await dumpKeys(redis, page, knowsFields))
      dump.set(name.toString('latin1'), whole ? entry : { ...entry, value: shortened(entry.value) });
  }
  return dump;
}

async function dumpKeys(redis: Redis, names: readonly Buffer[], knowsFields: boolean): Promise<[Buffer, PlainEntry][]> {
  const facts = await run(
    redis,
    names.flatMap((name): Command[] => [
      ['TYPE', name],
      ['PEXPIRETIME', name],
    ]),
  );
  const found = names.flatMap((name, index) => {
    const type = text(facts[2 * index]).replace('ReJSON-RL', 'json');
    const expiry = text(facts[2 * index + 1]);
    return type === 'none' || expiry === '-2' ? [] : [{ name, type, expiresAt: expiry === '-1' ? null : expiry }];
  });
  const values = await run(
    redis,
    found.map(({ name, type }) => reading(type, name)),
  );
  const entries: [Buffer, PlainEntry][] = [];
  for (const [index, { name, type, expiresAt }] of found.entries()) {
    const reply = values[index];
    if (reply instanceof Error || reply === null || reply === undefined) continue;
    if (Array.isArray(reply) && reply.length === 0 && type !== 'stream') continue;
    const extra = type === 'stream' ? await streamState(redis, name) : '';
    const fields = type === 'hash' && knowsFields ? await fieldTimes(redis, name, list(reply)) : {};
    const value = canonical(type, reply) + extra;
    entries.push([name, { type, expiresAt, value, ...(Object.keys(fields).length > 0 ? { fields } : {}) }]);
  }
  return entries;
}

function reading(type: string, name: Buffer): Command {
  switch (type) {
    case 'string':
      return ['GET', name];
    case 'hash':
      return ['HGETALL', name];
    case 'list':
      return ['LRANGE', name, '0', '-1'];
    case 'set':
      return ['SMEMBERS', name];
    case 'zset':
      return ['ZRANGE', name, '0', '-1', 'WITHSCORES'];
    case 'stream':
      return ['XRANGE', name, '-', '+'];
    case 'json':
      return ['JSON.GET', name];
    default:
      return ['DUMP', name];
  }
}

function canonical(type: string, reply: Reply): string {
  if (!Array.isArray(reply)) return bytes(reply).toString('latin1');
  if (type === 'stream')
    return canonicalValue(
      type,
      reply.map((entry) => list(entry).map(flat)),
    );
  const items = reply.map(text);
  if (type === 'list' || type === 'set') return canonicalValue(type, items);
  const pairs: (readonly [string, string])[] = [];
  for (let at = 0; at + 1 < items.length; at += 2) pairs.push([items[at] ?? '', items[at + 1] ?? '']);
  return canonicalValue(type, pairs);
}

/** A collection's canonical text; `items` are latin1 texts, pairs of them, or the entries of a stream. */
export function canonicalValue(type: string, items: readonly unknown[]): string {
  if (type === 'list' || type === 'stream') return JSON.stringify(items);
  if (type === 'set') return JSON.stringify([...(items as string[])].sort());
  const pairs = (items as [string, string][]).map(([a, b]) => [a, type === 'zset' ? scoreBits(b) : b] as const);
  return JSON.stringify(pairs.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)));
}

/** A stream's last id, and its groups as `[name, last id, consumers, [[id, consumer, deliveries], ...]]`, in canonical text. */
export function canonicalTail(lastId: string | undefined, groups: readonly unknown[]): string {
  return JSON.stringify([lastId, ...groups.map((group) => JSON.stringify(group)).sort()]);
}

async function fieldTimes(redis: Redis, name: Buffer, reply: readonly Reply[]): Promise<Record<string, string>> {
  const fields = reply.filter((_, at) => at % 2 === 0).map(bytes);
  const times: Record<string, string> = {};
  for (let at = 0; at < fields.length; at += 1000) {
    const page = fields.slice(at, at + 1000);
    const [answer] = await run(redis, [['HPEXPIRETIME', name, 'FIELDS', String(page.length), ...page]]);
    if (!Array.isArray(answer)) continue;
    answer.forEach((time, index) => {
      if (Number(text(time)) > 0) times[page[index]?.toString('latin1') ?? ''] = text(time);
    });
  }
  return times;
}

/** What a stream is besides its entries; when pending entries were delivered is left out, as no command sets it exactly. */
async function streamState(redis: Redis, name: Buffer): Promise<string> {
  const [info, groups] = await run(redis, [
    ['XINFO', 'STREAM', name],
    ['XINFO', 'GROUPS', name],
  ]);
  if (!Array.isArray(info) || !Array.isArray(groups)) return '';
  const state: unknown[] = [];
  for (const group of groups) {
    const facts = pairsOf(list(group));
    const groupName = Buffer.from(facts.get('name') ?? '', 'latin1');
    const [consumers, pending] = await run(redis, [
      ['XINFO', 'CONSUMERS', name, groupName],
      ['XPENDING', name, groupName, '-', '+', '100000'],
    ]);
    const names = list(consumers).map((each) => pairsOf(list(each)).get('name') ?? '');
    const waiting = list(pending).map((each) => list(each).map(text));
    state.push([
      facts.get('name'),
      facts.get('last-delivered-id'),
      names.sort(),
      waiting.map(([id, consumer, , deliveries]) => [id, consumer, deliveries]),
    ]);
  }
  return canonicalTail(pairsOf(info).get('last-generated-id'), state);
}

function pairsOf(items: readonly Reply[]): Map<string, string> {
  const pairs = new Map<string, string>();
  for (let at = 0; at + 1 < items.length; at += 2) {
    const value = items[at + 1];
    if (!Array.isArray(value) && value !== null && value !== undefined) pairs.set(text(items[at]), text(value));
  }
  return pairs;
}

/** A score as the bits of its double: servers print the same one differently. */
function scoreBits(printed: string): string {
  const infinite = /^([+-]?)inf/i.exec(printed);
  const score = infinite === null ? Number(printed) : infinite[1] === '-' ? -Infinity : Infinity;
  const bits = Buffer.alloc(8);
  bits.writeDoubleBE(score);
  return bits.toString('hex');
}

/** A long canonical text as its hash. */
export function shortened(value: string): string {
  return value.length <= LONG ? value : `sha256:${createHash('sha256').update(value, 'latin1').digest('hex')}`;
}

async function knows(redis: Redis, command: string): Promise<boolean> {
  const [info] = await run(redis, [['COMMAND', 'INFO', command]]);
  return Array.isArray(info) && Array.isArray(info[0]);
}

/** All in one write; a refusal stands in its place. */
async function run(redis: Redis, commands: readonly Command[]): Promise<Reply[]> {
  if (commands.length === 0) return [];
  const pipeline = redis.pipeline();
  for (const command of commands) pipeline.callBuffer(...command);
  const results = (await pipeline.exec()) ?? [];
  return results.map(([error, reply]) => {
    if (error !== null && error.name !== 'ReplyError') throw error;
    return error ?? (reply as Reply);
  });
}

const list = (reply: Reply | undefined): Reply[] => {
  if (Array.isArray(reply)) return reply;
  throw new Error(`the server answered no list: ${String(reply)}`);
};
const bytes = (reply: Reply | undefined): Buffer => {
  if (Buffer.isBuffer(reply)) return reply;
  if (typeof reply === 'string') return Buffer.from(reply, 'latin1');
  throw new Error(`the server answered no text: ${String(reply)}`);
};
const text = (reply: Reply | undefined): string => bytes(reply).toString('latin1');
const flat = (reply: Reply): unknown => (Array.isArray(reply) ? reply.map(text) : text(reply));

/** Reads the document of a dump that is kept in a file: `[[key in base64, entry], ...]`, sorted. */
export function dumpFromText(content: string): PlainDump {
  const rows = JSON.parse(content) as [string, PlainEntry][];
  return new Map(rows.map(([key, entry]) => [Buffer.from(key, 'base64').toString('latin1'), entry]));
}

interface PlainDifference {
  readonly key: string;
  readonly left: PlainEntry | undefined;
  readonly right: PlainEntry | undefined;
}

/** Keys that do not stand the same on both sides. */
export function differences(
  left: PlainDump,
  right: PlainDump,
  counts: (key: string) => boolean = () => true,
): PlainDifference[] {
  const found: PlainDifference[] = [];
  for (const key of new Set([...left.keys(), ...right.keys()])) {
    const [a, b] = [left.get(key), right.get(key)];
    if (counts(key) && !sameEntry(a, b)) found.push({ key, left: a, right: b });
  }
  return found;
}

function sameEntry(a: PlainEntry | undefined, b: PlainEntry | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  const sorted = (entry: PlainEntry): string => JSON.stringify(Object.entries(entry.fields ?? {}).sort());
  return a.type === b.type && a.expiresAt === b.expiresAt && a.value === b.value && sorted(a) === sorted(b);
}
