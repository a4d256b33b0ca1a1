import { isUtf8 } from 'node:buffer';
import xxhash from 'xxhash-wasm';
import type { RedisCommand, RedisPort } from '../ports/redis.js';
import { runCommands, listOf, TOO_LARGE, WRONG_TYPE, type Answer } from './run-commands.js';
import { itemText } from './item-text.js';
import { clusterItemsKey, itemKey } from './keys.js';
import type { ItemRef, SkipReason } from './model.js';

const hasher = await xxhash();

/** Exactly what the application reads back: it builds a dataclass from it, and knows no other field. */
export type ItemMetadata = Readonly<Record<'title' | 'source' | 'cluster_id' | 'created_at', string>>;

export interface ReadyItem {
  readonly text: string;
  readonly metadata: ItemMetadata;
  /** 64-bit hash of text and metadata, as 16 hexadecimal digits. */
  readonly hash: string;
}

/** An item as it is in Redis now: gone, not to be embedded, or ready. */
export type ReadItem = 'gone' | { readonly skip: SkipReason } | ReadyItem;

const FIELDS = ['id', 'title', 'body', 'raw_text', 'source', 'created_at'] as const;
/** Upstash takes no more metadata with a vector (upstash.com/docs/vector/help/faq). */
const MOST_METADATA_BYTES = 48 * 1024;

/** Reads items and whether they are still in their clusters, with one request as a rule. */
export async function readItems(
  redis: RedisPort,
  project: string,
  refs: readonly ItemRef[],
  cutCodePoints: number,
): Promise<ReadItem[]> {
  if (refs.length === 0) return [];
  const groups = byCluster(refs);
  const answers = await runCommands(redis, [
    ...refs.map(([id]): RedisCommand => ['HMGET', itemKey(project, id), ...FIELDS]),
    ...groups.map(({ cluster, ids }): RedisCommand => ['SMISMEMBER', clusterItemsKey(project, cluster), ...ids]),
  ]);
  const members = new Set(groups.flatMap(({ ids }, at) => membersOf(ids, answers[refs.length + at])));
  const items = refs.map(([id, cluster], at) => itemOf(answers[at], members.has(id) ? cluster : '', cutCodePoints));
  return decideNothing(redis, project, refs, items);
}

interface Group {
  readonly cluster: string;
  readonly ids: string[];
}

function byCluster(refs: readonly ItemRef[]): Group[] {
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

/** `nothing`: none of the fields is there, which an empty key and a hash of other fields have in common. */
function itemOf(answer: Answer | undefined, cluster: string, cutCodePoints: number): ReadItem | 'nothing' {
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
  return readyItem(text, {
    title: title ?? '',
    source: source ?? '',
    cluster_id: cluster,
    created_at: createdAt ?? '',
  });
}

function readyItem(text: string, metadata: ItemMetadata): ReadItem {
  const described = JSON.stringify(metadata);
  if (described.length * 3 > MOST_METADATA_BYTES && Buffer.byteLength(described) > MOST_METADATA_BYTES) {
    return { skip: 'too-large' };
  }
  return { text, metadata, hash: hasher.h64ToString(`${described}\n${text}`) };
}

/** Asks which of the items with nothing to read are gone. */
async function decideNothing(
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
