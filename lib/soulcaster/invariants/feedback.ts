import type { RedisCommand } from '../../ports/redis.js';
import { byBytes, inHalves } from '../../redis/halving.js';
import { type CheckContext, groups, parseFields, runCommands, setPages, sortedSetPages, textsOf } from './context.js';
import { isReadableItem, ITEM_FIELDS, type ItemFields, SOURCES } from './readable.js';

/** Items per group of commands; each takes two. */
const ITEMS = 200;

/** Facts from the lists and hashes of a project's items. */
interface FeedbackFacts {
  /** Ids of `feedback:created` with their scores. */
  readonly created: ReadonlyMap<string, string>;
  /** How many ids of `created` have a hash. */
  readonly present: number;
  readonly readable: number;
  /** Readable items by source; sources without any are left out. */
  readonly bySource: ReadonlyMap<string, number>;
  /** Ids of `feedback:unclustered`. */
  readonly unclustered: ReadonlySet<string>;
  /** Entries of all `feedback:source` lists. */
  readonly listedBySource: number;
  /** Repositories that items name. */
  readonly repos: ReadonlySet<string>;
}

/** Totals over the item hashes, which are read in groups; bodies are never fetched. */
interface Totals {
  present: number;
  readable: number;
  readonly bySource: Map<string, number>;
  /** The source that each item's hash names. */
  readonly sourceOf: Map<string, string>;
  readonly repos: Set<string>;
}

/** Checks items, their lists by time and by source, and the keys of their external ids. */
export async function checkFeedback(context: CheckContext): Promise<FeedbackFacts> {
  const created = new Map<string, string>();
  for await (const { elements } of sortedSetPages(context, [`feedback:created:${context.project}`])) {
    for (const [id, score] of elements) created.set(id, score);
  }
  const totals: Totals = { present: 0, readable: 0, bySource: new Map(), sourceOf: new Map(), repos: new Set() };
  for (const ids of groups(created.keys(), ITEMS)) await checkItems(context, ids, totals);
  const listedBySource = await checkSources(context, created, totals.sourceOf);
  const unclustered = new Set<string>();
  for await (const { elements } of setPages(context, [`feedback:unclustered:${context.project}`])) {
    for (const id of elements) {
      unclustered.add(id);
      if (!created.has(id)) context.tally.add('unclustered-without-created', id);
    }
  }
  const { present, readable, bySource, repos } = totals;
  return { created, present, readable, bySource, listedBySource, repos, unclustered };
}

async function checkItems(context: CheckContext, ids: readonly string[], totals: Totals): Promise<void> {
  const commands = ids.flatMap((id): RedisCommand[] => {
    const key = `feedback:${context.project}:${id}`;
    return [
      ['HMGET', key, ...ITEM_FIELDS],
      ['HEXISTS', key, 'body'],
    ];
  });
  const replies = await runCommands(context, commands);
  const externals: External[] = [];
  for (const [index, id] of ids.entries()) {
    const hasBody = replies[2 * index + 1] === 1;
    const fields = parseFields(ITEM_FIELDS, replies[2 * index]);
    if (fields === null && !hasBody) {
      context.tally.add('created-without-hash', id);
      continue;
    }
    totals.present++;
    countItem(context, id, fields === null ? null : { ...fields, hasBody }, totals);
    if (fields?.source != null && fields.external_id != null && fields.external_id !== '') {
      externals.push({ id, key: `feedback:external:${context.project}:${fields.source}:${fields.external_id}` });
    }
  }
  await checkExternals(context, externals);
}

function countItem({ tally }: CheckContext, id: string, item: ItemFields | null, totals: Totals): void {
  if (item === null || !isReadableItem(item)) tally.add('feedback-unreadable', id);
  const source = item?.source ?? null;
  if (item === null || source === null) return;
  totals.sourceOf.set(id, source);
  if (item.repo !== null && item.repo !== '') totals.repos.add(item.repo);
  if (!isReadableItem(item)) return;
  totals.readable++;
  totals.bySource.set(source, (totals.bySource.get(source) ?? 0) + 1);
}

interface External {
  readonly id: string;
  readonly key: string;
}

async function checkExternals(context: CheckContext, externals: readonly External[]): Promise<void> {
  // Each value is an id, as long as the item's id.
  const sizeOf = ({ id, key }: External): number => id.length + key.length;
  for (const group of byBytes(externals, sizeOf)) {
    const read = async (some: readonly External[]): Promise<(string | null)[]> => {
      const [reply] = await runCommands(context, [['MGET', ...some.map(({ key }) => key)]]);
      return textsOf(reply);
    };
    const targets = await inHalves(group, read, (_, error) => {
      throw error;
    });
    for (const [index, { id }] of group.entries()) {
      const target = targets[index] ?? null;
      if (target !== id) context.tally.add(target === null ? 'external-missing' : 'external-elsewhere', id);
    }
  }
}

/** Checks the lists of all sources that are known or that an item names; returns the number of their entries. */
async function checkSources(
  context: CheckContext,
  created: ReadonlyMap<string, string>,
  sourceOf: ReadonlyMap<string, string>,
): Promise<number> {
  const { project, tally } = context;
  const sources = [...new Set<string>([...SOURCES, ...sourceOf.values()])];
  const seen = new Set<string>();
  let entries = 0;
  const keys = sources.map((source) => `feedback:source:${project}:${source}`);
  for await (const { index, elements } of sortedSetPages(context, keys)) {
    entries += elements.length;
    for (const [id, score] of elements) {
      const byTime = created.get(id);
      if (byTime === undefined) tally.add('source-without-created', id);
      else if (!isSameScore(score, byTime)) tally.add('score-differs', id);
      if (seen.has(id)) tally.add('source-repeated', id);
      seen.add(id);
      const own = sourceOf.get(id);
      if (own !== undefined && own !== sources[index]) tally.add('source-differs', id);
    }
  }
  for (const id of created.keys()) if (!seen.has(id)) tally.add('created-without-source', id);
  return entries;
}

/** Servers print the same number in different ways. */
function isSameScore(one: string, other: string): boolean {
  return one === other || Number(one) === Number(other);
}
