import type { RedisCommand, RedisPort, RedisReply, RedisValue } from '../../ports/redis.js';
import { byBytes } from '../../redis/halving.js';
import { buildKey, type ClassifiedKey } from '../keys.js';
import { runReplies, textOf } from './context.js';
import type { Rule } from './rules.js';

/** Ids found by the keys of one project that its lists may lack. */
export interface Unlisted {
  /** Ids that break a rule, each with the rule. */
  readonly broken: (readonly [rule: Rule, id: string])[];
  /** Clusters that have a key, listed or not. */
  readonly clusters: Set<string>;
  /** Jobs that name the project, listed or not. */
  readonly jobs: Set<string>;
}

/**
 * Goes through the names of all keys of a database, a page at a time, and finds for some projects what no list names: hashes
 * of items and of clustering jobs, keys of external ids that point to no item, and ids of clusters and jobs for
 * `checkProject` to check. Keeps in memory those ids and a page.
 */
export async function findUnlisted(
  redis: RedisPort,
  projects: readonly string[],
  pages: AsyncIterable<readonly ClassifiedKey[]>,
): Promise<ReadonlyMap<string, Unlisted>> {
  const found = new Map(
    projects.map((id): [string, Unlisted] => [id, { broken: [], clusters: new Set(), jobs: new Set() }]),
  );
  for await (const page of pages) {
    const own = page.filter(({ project }) => project !== null && found.has(project));
    for (const { family, project, cluster } of own) {
      const isCluster = family === 'cluster' || family === 'cluster-items' || family === 'coding-plan';
      if (isCluster && cluster !== undefined) found.get(project ?? '')?.clusters.add(cluster);
    }
    await findJobs(redis, found, page);
    await findUnnamed(redis, found, own);
    await findDangling(redis, found, own);
  }
  return found;
}

/** Jobs name their project in a field. */
async function findJobs(
  redis: RedisPort,
  found: ReadonlyMap<string, Unlisted>,
  page: readonly ClassifiedKey[],
): Promise<void> {
  const jobs = page.flatMap(({ family, job }) => (family === 'job' && job !== undefined ? [job] : []));
  const replies = await runReplies(
    redis,
    jobs.map((job) => ['HGET', buildKey('job', { job }), 'project_id']),
  );
  for (const [at, job] of jobs.entries()) {
    const reply = replies[at];
    if (reply !== undefined && 'value' in reply) found.get(textOf(reply.value) ?? '')?.jobs.add(job);
  }
}

interface ListCheck {
  readonly rule: Rule;
  readonly project: string | null;
  readonly id: string;
  readonly list: string;
}

/** Finds hashes of items and of clustering jobs that their list by time lacks. */
async function findUnnamed(
  redis: RedisPort,
  found: ReadonlyMap<string, Unlisted>,
  own: readonly ClassifiedKey[],
): Promise<void> {
  const checks = own.flatMap(({ family, project, item, job }): ListCheck[] => {
    if (family === 'feedback' && item !== undefined) {
      return [{ rule: 'item-not-listed', project, id: item, list: buildKey('feedback-created', { project }) }];
    }
    if (family !== 'cluster-job' || job === undefined) return [];
    const list = buildKey('cluster-jobs-recent', { project });
    return [{ rule: 'cluster-job-not-listed', project, id: job, list }];
  });
  const lists = new Map<string, ListCheck[]>();
  for (const each of checks) {
    const list = lists.get(each.list);
    if (list === undefined) lists.set(each.list, [each]);
    else list.push(each);
  }
  const scores = await queryInGroups(redis, [...lists.values()], {
    all: (group) => ['ZMSCORE', group[0]?.list ?? '', ...group.map(({ id }) => id)],
    one: ({ list, id }) => ['ZSCORE', list, id],
    sizeOf: ({ id }) => id.length,
    parse: (value) => (Array.isArray(value) ? value : null),
  });
  for (const each of checks) {
    const reply = scores.get(each);
    // A list of another type names nothing, and is reported by a separate rule.
    const isListed = reply !== undefined && 'value' in reply && reply.value !== null;
    if (!isListed) found.get(each.project ?? '')?.broken.push([each.rule, each.id]);
  }
}

async function findDangling(
  redis: RedisPort,
  found: ReadonlyMap<string, Unlisted>,
  own: readonly ClassifiedKey[],
): Promise<void> {
  const keys = own
    .filter(({ family }) => family === 'feedback-external')
    .map((known) => ({ ...known, key: buildKey('feedback-external', known) }));
  const items = await queryInGroups(redis, [keys], {
    all: (group) => ['MGET', ...group.map(({ key }) => key)],
    one: ({ key }) => ['GET', key],
    // Each value is an id, as long as the item's id.
    sizeOf: ({ key }) => 2 * key.length,
    parse: (value) => (Array.isArray(value) ? value : null),
  });
  const named = keys.flatMap((each) => {
    const reply = items.get(each);
    const item = reply !== undefined && 'value' in reply ? textOf(reply.value) : null;
    const { project, source, external } = each;
    if (item === null) return [];
    return [{ project, id: `${source ?? ''}:${external ?? ''}`, key: buildKey('feedback', { project, item }) }];
  });
  const there = await queryInGroups(redis, [named], {
    all: (group) => ['EXISTS', ...group.map(({ key }) => key)],
    one: ({ key }) => ['EXISTS', key],
    sizeOf: ({ key }) => key.length,
    // The count shows that each key exists only if it is the count of all.
    parse: (value, group) => (value === group.length ? group.map(() => 1) : null),
  });
  for (const each of named) {
    const reply = there.get(each);
    const isThere = reply !== undefined && 'value' in reply && reply.value === 1;
    if (!isThere) found.get(each.project ?? '')?.broken.push(['external-dangling', each.id]);
  }
}

interface GroupQuery<T> {
  /** One command for a group. */
  readonly all: (group: readonly T[]) => RedisCommand;
  readonly one: (item: T) => RedisCommand;
  /** Approximate bytes that an item adds to the command, or to its reply. */
  readonly sizeOf: (item: T) => number;
  /** The reply of each item from the reply to `all`; null if it does not show that. */
  readonly parse: (value: RedisValue, group: readonly T[]) => readonly RedisValue[] | null;
}

/**
 * The reply for each item, with one command per group, because commands are billed and throttled. If the command is
 * refused, or its reply does not show each item, the items of the group are queried one by one.
 */
async function queryInGroups<T>(
  redis: RedisPort,
  lists: readonly (readonly T[])[],
  { all, one, parse, sizeOf }: GroupQuery<T>,
): Promise<ReadonlyMap<T, RedisReply>> {
  const groups = lists.flatMap((list) => [...byBytes(list, sizeOf)]);
  const found = new Map<T, RedisReply>();
  const alone: T[] = [];
  for (const [at, reply] of (await runReplies(redis, groups.map(all))).entries()) {
    const group = groups[at] ?? [];
    const values = 'value' in reply ? parse(reply.value, group) : null;
    if (values === null) alone.push(...group);
    else for (const [index, item] of group.entries()) found.set(item, { value: values[index] ?? null });
  }
  for (const [at, reply] of (await runReplies(redis, alone.map(one))).entries()) found.set(alone[at] as T, reply);
  return found;
}
