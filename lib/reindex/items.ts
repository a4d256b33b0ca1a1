import { isUtf8 } from 'node:buffer';
import xxhash from 'xxhash-wasm';
import type { RedisCommand, RedisPort } from '../ports/redis.js';
import { type Answer, clusterItemsKey, itemKey, listOf, runCommands, TOO_LARGE, WRONG_TYPE } from './database.js';
import type { ItemRef, SkipReason } from './model.js';

const hasher = await xxhash();

/** Exactly the fields that the application reads: it builds a dataclass from them, which has no other field. */
export type ItemMetadata = Readonly<Record<'title' | 'source' | 'cluster_id' | 'created_at', string>>;

export interface ReadyItem {
  readonly text: string;
  readonly metadata: ItemMetadata;
  /** 64-bit hash of text and metadata, as 16 hexadecimal digits. */
  readonly hash: string;
}

/** The current state of an item in Redis: gone, not embeddable, or ready. */
export type ReadItem = 'gone' | { readonly skip: SkipReason } | ReadyItem;

const FIELDS = ['id', 'title', 'body', 'raw_text', 'source', 'created_at'] as const;
/** Upstash's limit for the metadata of a vector (upstash.com/docs/vector/help/faq). */
const MOST_METADATA_BYTES = 48 * 1024;

/** Reads items and whether they are still in their clusters, usually with one request. */
export async function readItems(
  redis: RedisPort,
  project: string,
  refs: readonly ItemRef[],
  cutCodePoints: number,
): Promise<ReadItem[]> {
  if (refs.length === 0) return [];
  const groups = groupByCluster(refs);
  const answers = await runCommands(redis, [
    ...refs.map(([id]): RedisCommand => ['HMGET', itemKey(project, id), ...FIELDS]),
    ...groups.map(({ cluster, ids }): RedisCommand => ['SMISMEMBER', clusterItemsKey(project, cluster), ...ids]),
  ]);
  const members = new Set(groups.flatMap(({ ids }, at) => membersOf(ids, answers[refs.length + at])));
  const items = refs.map(([id, cluster], at) => parseItem(answers[at], members.has(id) ? cluster : '', cutCodePoints));
  return resolveNothing(redis, project, refs, items);
}

interface Group {
  readonly cluster: string;
  readonly ids: string[];
}

function groupByCluster(refs: readonly ItemRef[]): Group[] {
  const groups = new Map<string, Group>();
  for (const [id, cluster] of refs) {
    if (cluster === '') continue;
    const group = groups.get(cluster) ?? { cluster, ids: [] };
    group.ids.push(id);
    groups.set(cluster, group);
  }
  return [...groups.values()];
}

function membersOf(ids: readonly string[], answer: Answer | undefined): string[] {
  const flags = listOf(answer);
  return ids.filter((_, at) => flags[at] === 1);
}

/** `nothing`: none of the fields exists, as with a missing key or a hash with other fields. */
function parseItem(answer: Answer | undefined, cluster: string, cutCodePoints: number): ReadItem | 'nothing' {
  if (answer === WRONG_TYPE) return { skip: 'not-a-hash' };
  if (answer === TOO_LARGE) return { skip: 'too-large' };
  const values = FIELDS.map((_, at) => listOf(answer)[at] ?? null);
  const bytes = values.filter((value) => Buffer.isBuffer(value));
  if (bytes.length === 0) return 'nothing';
  if (!bytes.every((value) => isUtf8(value))) return { skip: 'not-utf8' };
  const [, title = null, body = null, rawText = null, source, createdAt] = values.map((value) =>
    Buffer.isBuffer(value) ? value.toString('utf8') : null,
  );
  if (title === null && body === null && rawText === null) return { skip: 'no-text' };
  const text = itemText({ title, body, rawText }, cutCodePoints);
  if (text === '') return { skip: 'empty' };
  return buildItem(text, {
    title: title ?? '',
    source: source ?? '',
    cluster_id: cluster,
    created_at: createdAt ?? '',
  });
}

function buildItem(text: string, metadata: ItemMetadata): ReadItem {
  const described = JSON.stringify(metadata);
  if (described.length * 3 > MOST_METADATA_BYTES && Buffer.byteLength(described) > MOST_METADATA_BYTES) {
    return { skip: 'too-large' };
  }
  return { text, metadata, hash: hasher.h64ToString(`${described}\n${text}`) };
}

/** Finds which of the items without any field are gone. */
async function resolveNothing(
  redis: RedisPort,
  project: string,
  refs: readonly ItemRef[],
  items: readonly (ReadItem | 'nothing')[],
): Promise<ReadItem[]> {
  const unclear = refs.filter((_, at) => items[at] === 'nothing');
  const answers = await runCommands(
    redis,
    unclear.map(([id]) => ['EXISTS', itemKey(project, id)]),
  );
  let next = 0;
  return items.map((item) => {
    if (item !== 'nothing') return item;
    return answers[next++] === 1 ? { skip: 'no-text' } : 'gone';
  });
}

/** An item's fields as stored in Redis; null for a missing field. */
interface TextFields {
  readonly title: string | null;
  readonly body: string | null;
  readonly rawText: string | null;
}

/**
 * What Python's `str.strip()` removes (`str.isspace`, Python documentation). `trim` differs: it keeps the separators U+001C
 * to U+001F and U+0085, and removes U+FEFF.
 */
const SPACE = '[\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000]';
const IS_SPACE = new RegExp(SPACE, 'u');
/** Half of a code point above U+FFFF; a text without any has one UTF-16 unit per code point. */
const SURROGATE = /[\ud800-\udfff]/;

/**
 * The text that Soulcaster embeds for an item: title and body with a blank line between, or the one that exists.
 * `raw_text` replaces an empty or missing body, like Python's `or`: a body of blanks is not empty. `cutCodePoints` limits
 * the body; 0 leaves it whole. Empty if there is nothing to embed.
 */
export function itemText({ title, body, rawText }: TextFields, cutCodePoints: number): string {
  const head = strip(title ?? '');
  const whole = strip(isEmpty(body) ? (rawText ?? '') : body);
  const rest = cutCodePoints > 0 ? firstCodePoints(whole, cutCodePoints) : whole;
  if (head === '' || rest === '') return head + rest;
  return `${head}\n\n${rest}`;
}

export function strip(text: string): string {
  let from = 0;
  let to = text.length;
  while (from < to && IS_SPACE.test(text.charAt(from))) from += 1;
  while (to > from && IS_SPACE.test(text.charAt(to - 1))) to -= 1;
  return text.slice(from, to);
}

/** Python counts code points; JavaScript strings count UTF-16 units. */
export function firstCodePoints(text: string, count: number): string {
  if (text.length <= count) return text;
  const head = text.slice(0, count);
  if (!SURROGATE.test(head)) return head;
  let at = 0;
  for (let taken = 0; taken < count && at < text.length; taken++) {
    at += (text.codePointAt(at) ?? 0) > 0xffff ? 2 : 1;
  }
  return text.slice(0, at);
}

function isEmpty(text: string | null): text is null | '' {
  return text === null || text === '';
}
