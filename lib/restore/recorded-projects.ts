import { isUtf8 } from 'node:buffer';
import type { ObjectStore, RedisPort, Encryptor } from '../ports/index.js';
import type { RedisCommand, RedisReply, RedisValue } from '../ports/redis.js';
import { isEncrypted, openNames } from '../snapshot/ledger.js';
import type { Manifest } from '../snapshot/manifest.js';
import { keyOf, type RecordLine } from '../snapshot/record.js';
import { fromText, type Text } from '../snapshot/text.js';
import { classifyKey, type ClassifiedKey } from '../soulcaster/keys.js';
import { CLUSTER_FIELDS, ITEM_FIELDS } from '../soulcaster/invariants/readable.js';
import { sourceRecords } from '../snapshot/source-records.js';
import { withoutErased, type ErasedKeys } from './erased.js';

/** Fields that invariants read; of a body only that it is there. */
const FIELDS: ReadonlySet<string> = new Set([...ITEM_FIELDS, ...CLUSTER_FIELDS, 'user_id', 'name', 'cluster_id']);
const TIED: ReadonlySet<string> = new Set(['job', 'cluster-jobs', 'user-projects']);

type Value =
  | { readonly type: 'hash'; readonly fields: Map<string, string> }
  | { readonly type: 'members'; readonly as: 'set' | 'zset'; readonly scores: Map<string, string> }
  | { readonly type: 'string'; readonly text: string }
  | { readonly type: 'other' };

const WRONG_TYPE: RedisReply = { error: 'WRONGTYPE Operation against a key holding the wrong kind of value' };

/** Some projects as a snapshot has them, to be asked like a database; only what invariants ask. */
interface RecordedProjects {
  readonly redis: RedisPort;
  readonly pages: () => AsyncIterable<readonly ClassifiedKey[]>;
}

/**
 * Reads from a snapshot's parts what the invariants of some projects look at: ids, times and a few fields, no bodies.
 * In memory is that of these projects, and of all jobs and users' lists. `erased`: what a restore leaves out of it.
 */
export async function recordedProjects(
  ports: { readonly store: ObjectStore; readonly encryptor: Encryptor },
  manifest: Manifest,
  projects: ReadonlySet<string>,
  erased: ErasedKeys | null,
): Promise<RecordedProjects> {
  const values = new Map<string, Value>();
  // What no snapshot can hold was there all the same, and of another type than the application expects.
  for (const key of (await unsavedKeys(ports.encryptor, manifest)).keys) {
    const { family, project } = classifyKey(key);
    if (TIED.has(family) || (project !== null && projects.has(project))) values.set(key, { type: 'other' });
  }
  for (const part of manifest.parts.keys()) {
    for await (const record of sourceRecords(ports, manifest, part)) {
      const bytes = keyOf(record.first);
      if (!isUtf8(bytes)) continue;
      const key = bytes.toString('utf8');
      const known = classifyKey(key);
      const { family, project } = known;
      if (!TIED.has(family) && (project === null || !projects.has(project))) continue;
      if (erased?.has(known) === true) continue;
      const { first, rest } = erased?.mayList(known) === true ? withoutErased(record, erased) : record;
      const value = emptyOf(first);
      take(value, first);
      if (value.type !== 'string') for await (const line of rest ?? []) take(value, line);
      values.set(key, value);
    }
  }
  const run = (commands: readonly RedisCommand[]): Promise<RedisReply[]> =>
    Promise.resolve(commands.map((command) => answer(values, command)));
  const usage = () => ({ requests: 0, commands: 0, bytesSent: 0, bytesReceived: 0 });
  return {
    redis: { host: 'snapshot', pipeline: run, transaction: run, usage },
    pages: async function* () {
      let page: ClassifiedKey[] = [];
      for (const key of values.keys()) {
        page.push(classifyKey(key));
        if (page.length < 1000) continue;
        yield await Promise.resolve(page);
        page = [];
      }
      if (page.length > 0) yield page;
    },
  };
}

/** Names of the keys that a snapshot could not hold; `all` is false where it does not tell each of them, or they are encrypted. */
export async function unsavedKeys(
  encryptor: Encryptor,
  { ledger: { unsupported } }: Manifest,
): Promise<{ readonly keys: readonly string[]; readonly all: boolean }> {
  const opened = await openNames(encryptor, unsupported.keys);
  const keys = opened.flatMap(({ key }) => (isEncrypted(key) ? [] : [fromText(key).toString('utf8')]));
  return { keys, all: keys.length === unsupported.count };
}

function emptyOf({ t, v }: RecordLine): Value {
  if (t === 'hash') return { type: 'hash', fields: new Map() };
  if (t === 'set' || t === 'zset') return { type: 'members', as: t, scores: new Map() };
  return t === 'string' ? { type: 'string', text: textOf(v as Text) } : { type: 'other' };
}

function take(value: Value, { v }: RecordLine): void {
  if (value.type === 'hash') {
    for (const [field, text] of v as readonly (readonly [Text, Text])[]) {
      const name = textOf(field);
      if (FIELDS.has(name)) value.fields.set(name, textOf(text));
      else if (name === 'body') value.fields.set(name, '');
    }
  } else if (value.type === 'members') {
    for (const member of v as readonly (Text | readonly [Text, string])[]) {
      const [name, score] = Array.isArray(member) ? (member as [Text, string]) : [member as Text, ''];
      value.scores.set(textOf(name), score);
    }
  }
}

function textOf(text: Text): string {
  return fromText(text).toString('utf8');
}

const bulk = (text: string | undefined): RedisValue => (text === undefined ? null : Buffer.from(text));

function answer(values: ReadonlyMap<string, Value>, [name, ...args]: RedisCommand): RedisReply {
  const [key = '', ...rest] = args.map(String);
  if (name === 'EXISTS') return { value: [key, ...rest].filter((each) => values.has(each)).length };
  if (name === 'MGET') {
    return { value: [key, ...rest].map((each) => stringOf(values.get(each))) };
  }
  const value = values.get(key);
  switch (name) {
    case 'GET':
      return value === undefined || value.type === 'string' ? { value: stringOf(value) } : WRONG_TYPE;
    case 'HGET':
    case 'HMGET':
    case 'HEXISTS':
      return value === undefined || value.type === 'hash'
        ? { value: fieldsReply(name, value?.fields, rest) }
        : WRONG_TYPE;
    default:
      return membersReply(name, value, rest);
  }
}

function stringOf(value: Value | undefined): RedisValue {
  return value?.type === 'string' ? bulk(value.text) : null;
}

function fieldsReply(
  name: string,
  fields: ReadonlyMap<string, string> | undefined,
  names: readonly string[],
): RedisValue {
  if (name === 'HEXISTS') return fields?.has(names[0] ?? '') === true ? 1 : 0;
  return name === 'HGET' ? bulk(fields?.get(names[0] ?? '')) : names.map((each) => bulk(fields?.get(each)));
}

function membersReply(name: string, value: Value | undefined, args: readonly string[]): RedisReply {
  const [first = '', last = ''] = args;
  const as = name.startsWith('Z') ? 'zset' : 'set';
  if (value !== undefined && (value.type !== 'members' || value.as !== as)) return WRONG_TYPE;
  const scores = value?.scores ?? new Map<string, string>();
  switch (name) {
    case 'SISMEMBER':
      return { value: scores.has(first) ? 1 : 0 };
    case 'ZSCORE':
      return { value: bulk(scores.get(first)) };
    case 'ZMSCORE':
      return { value: args.map((member) => bulk(scores.get(member))) };
    case 'SSCAN':
      return { value: [Buffer.from('0'), [...scores.keys()].map((member) => Buffer.from(member))] };
    case 'ZRANGE': {
      const page = [...scores].slice(Number(first), Number(last) + 1);
      return { value: page.flatMap(([member, score]) => [Buffer.from(member), Buffer.from(score)]) };
    }
    default:
      throw new TypeError(`invariants do not ask ${name}`);
  }
}
