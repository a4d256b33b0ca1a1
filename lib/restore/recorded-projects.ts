import { isUtf8 } from 'node:buffer';
import type { RedisPort, Encryptor } from '../ports/index.js';
import type { RedisCommand, RedisReply, RedisValue } from '../ports/redis.js';
import { isEncrypted, openNames } from '../snapshot/ledger.js';
import type { Manifest } from '../snapshot/manifest.js';
import { keyOf, type RecordLine } from '../snapshot/record.js';
import { fromText, type Text } from '../soulcaster/text.js';
import { classifyKey, type ClassifiedKey, type Family } from '../soulcaster/keys.js';
import { CLUSTER_FIELDS, ITEM_FIELDS } from '../soulcaster/invariants/readable.js';
import type { SourceRecord } from '../snapshot/source-records.js';
import { allLines } from './unite/members.js';

/** Fields that invariants read. */
const FIELDS: ReadonlySet<string> = new Set([
  ...ITEM_FIELDS,
  ...CLUSTER_FIELDS,
  'user_id',
  'name',
  'cluster_id',
  'body',
]);
/** Fields of any length, of which only the presence counts. */
const UNREAD: ReadonlySet<string> = new Set(['title', 'summary', 'name', 'body']);
const TIED: ReadonlySet<string> = new Set(['job', 'cluster-jobs', 'user-projects']);
/** Names in a page, as in a walk over a database. */
const PAGE = 1000;

type Value =
  /** An object takes a third of a map's memory: there is one for each item. */
  | { readonly type: 'hash'; readonly fields: Record<string, string> }
  /** Keyed by the bytes of the member as latin1; a string's text is latin1 too. */
  | { readonly type: 'members'; readonly as: 'set' | 'zset'; readonly scores: Map<string, string> }
  | { readonly type: 'string'; text: string }
  | { readonly type: 'other' };

const WRONG_TYPE: RedisReply = { error: 'WRONGTYPE Operation against a key holding the wrong kind of value' };

/** Some projects of a snapshot behind the interface of a database; answers only the commands of the invariants. */
interface RecordedProjects {
  readonly redis: RedisPort;
  readonly pages: () => AsyncIterable<readonly ClassifiedKey[]>;
  /** Whether all records were kept and none of them, nor any field, has an expiry. */
  readonly lasts: boolean;
}

interface RecordedOptions {
  /** Names of further keys, each of a type that no record can hold. */
  readonly unsaved?: readonly string[];
  /** The database that answers for keys of other projects, whose records are not kept; default: such keys do not exist. */
  readonly beyond?: RedisPort;
  /** The most keys to keep. With `most`, reading stops at the first record beyond it or with an expiry. */
  readonly most?: number;
}

/**
 * Reads from records what the invariants of some projects need: ids, times and a few fields, no bodies. In memory are
 * these projects, all jobs and all users' lists.
 */
export async function recordedProjects(
  records: AsyncIterable<SourceRecord & { readonly expired?: boolean }>,
  projects: ReadonlySet<string>,
  { unsaved = [], beyond, most }: RecordedOptions = {},
): Promise<RecordedProjects> {
  const isKept = ({ family, project }: ClassifiedKey): boolean =>
    TIED.has(family) || (project !== null && projects.has(project));
  const values = new Map<string, Value>();
  const names: string[] = [];
  let lasts = true;
  for (const key of unsaved) {
    if (!isKept(classifyKey(key))) continue;
    values.set(key, { type: 'other' });
    names.push(key);
  }
  for await (const { first, rest, expired } of records) {
    const bytes = keyOf(first);
    const key = bytes.toString('utf8');
    const known = classifyKey(key);
    if (!isKept(known)) continue;
    const value = emptyValue(first);
    let [elements, ends] = [0, expired === true || first.x !== undefined];
    for await (const line of allLines(first, rest)) {
      addLine(value, known.family, line);
      ends ||= line.fx !== undefined;
      elements += Array.isArray(line.v) ? line.v.length : 1;
    }
    // A list of erased projects only, for example: whatever its expiry, it is not restored.
    if (elements === 0) continue;
    lasts &&= !ends && (most === undefined || names.length < most);
    if (!lasts && most !== undefined) break;
    names.push(key);
    // Invariants only read keys that are text.
    if (isUtf8(bytes)) values.set(key, value);
  }
  const run = (commands: readonly RedisCommand[]): Promise<RedisReply[]> => {
    const isBeyond =
      beyond !== undefined && !commands.every((command) => keysOf(command).every((key) => isKept(classifyKey(key))));
    return isBeyond ? beyond.pipeline(commands) : Promise.resolve(commands.map((command) => replyTo(values, command)));
  };
  const usage = () => ({ requests: 0, commands: 0, bytesSent: 0, bytesReceived: 0 });
  return {
    redis: { host: 'snapshot', pipeline: run, transaction: run, usage },
    pages: () => pagesOf(names),
    lasts,
  };
}

async function* pagesOf(names: readonly string[]): AsyncGenerator<readonly ClassifiedKey[]> {
  for (let at = 0; at < names.length; at += PAGE) {
    yield await Promise.resolve(names.slice(at, at + PAGE).map(classifyKey));
  }
}

/** The keys of a command of the invariants. */
function keysOf([name, ...args]: RedisCommand): readonly string[] {
  const named = name === 'EXISTS' || name === 'MGET' ? args : args.slice(0, 1);
  return named.map(String);
}

/** Keys that the snapshot could not hold; `all` is false when the ledger does not name all, or encrypts some names. */
export async function unsavedKeys(
  encryptor: Encryptor,
  { ledger: { unsupported } }: Manifest,
): Promise<{ readonly keys: readonly string[]; readonly all: boolean }> {
  const opened = await openNames(encryptor, unsupported.keys);
  const keys = opened.flatMap(({ key }) => (isEncrypted(key) ? [] : [fromText(key).toString('utf8')]));
  return { keys, all: keys.length === unsupported.count };
}

function emptyValue({ t }: RecordLine): Value {
  if (t === 'hash') return { type: 'hash', fields: {} };
  if (t === 'set' || t === 'zset') return { type: 'members', as: t, scores: new Map() };
  return t === 'string' ? { type: 'string', text: '' } : { type: 'other' };
}

function addLine(value: Value, family: Family, { v }: RecordLine): void {
  if (value.type === 'hash') {
    for (const [field, text] of v as readonly (readonly [Text, Text])[]) {
      const name = textOf(field);
      if (FIELDS.has(name)) value.fields[name] = UNREAD.has(name) ? '' : textOf(text);
    }
  } else if (value.type === 'members') {
    for (const member of v as readonly (Text | readonly [Text, string])[]) {
      const [name, score] = Array.isArray(member) ? (member as [Text, string]) : [member as Text, ''];
      value.scores.set(bytesOf(name), score);
    }
  } else if (value.type === 'string' && family === 'feedback-external') {
    value.text += bytesOf(v as Text);
  }
}

function bytesOf(text: Text): string {
  return fromText(text).toString('latin1');
}

function textOf(text: Text): string {
  return typeof text === 'string' ? text : fromText(text).toString('utf8');
}

const bulk = (text: string | undefined): RedisValue => (text === undefined ? null : Buffer.from(text));

function replyTo(values: ReadonlyMap<string, Value>, [name, ...args]: RedisCommand): RedisReply {
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
  return value?.type === 'string' ? Buffer.from(value.text, 'latin1') : null;
}

function fieldsReply(
  name: string,
  fields: Readonly<Record<string, string>> | undefined,
  names: readonly string[],
): RedisValue {
  const [first = ''] = names;
  if (name === 'HEXISTS') return fields?.[first] === undefined ? 0 : 1;
  return name === 'HGET' ? bulk(fields?.[first]) : names.map((each) => bulk(fields?.[each]));
}

function membersReply(name: string, value: Value | undefined, args: readonly string[]): RedisReply {
  const [first = ''] = args;
  const as = name.startsWith('Z') ? 'zset' : 'set';
  if (value !== undefined && (value.type !== 'members' || value.as !== as)) return WRONG_TYPE;
  const scores = value?.scores ?? new Map<string, string>();
  const scoreOf = (member: string): string | undefined => scores.get(Buffer.from(member).toString('latin1'));
  const memberOf = (bytes: string): Buffer => Buffer.from(bytes, 'latin1');
  switch (name) {
    case 'SISMEMBER':
      return { value: scoreOf(first) === undefined ? 0 : 1 };
    case 'ZSCORE':
      return { value: bulk(scoreOf(first)) };
    case 'ZMSCORE':
      return { value: args.map((member) => bulk(scoreOf(member))) };
    case 'SSCAN':
      return { value: [Buffer.from('0'), [...scores.keys()].map(memberOf)] };
    case 'ZRANGE': {
      // The first page returns everything: cutting pages would copy it once for each page.
      const page = first === '0' ? [...scores] : [];
      return { value: page.flatMap(([member, score]) => [memberOf(member), Buffer.from(score)]) };
    }
    default:
      throw new TypeError(`invariants do not send ${name}`);
  }
}
