import type { RedisCommand, RedisPort, RedisReply } from '../../ports/redis.js';
import { pipelineInHalves } from '../../redis/halving.js';
import { buildKey, type ClassifiedKey } from '../keys.js';
import { textOf } from './context.js';
import type { Rule } from './rules.js';

/** Commands in one request. */
const COMMANDS = 500;

/** What the keys of one project tell that its own lists do not: ids alone. */
export interface Unlisted {
  /** Ids that break a rule, each with the rule. */
  readonly broken: (readonly [rule: Rule, id: string])[];
  /** Clusters that have a key, listed or not. */
  readonly clusters: Set<string>;
  /** Jobs that name the project, listed or not. */
  readonly jobs: Set<string>;
}

/**
 * Goes by the names of all keys of a database, a page at a time, and finds for some projects what no list names: hashes of
 * items and of clustering jobs, keys of external ids that point to no item, and ids of clusters and jobs for `checkProject`
 * to look at. In memory are those ids and a page.
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
  const replies = await send(
    redis,
    jobs.map((job) => ['HGET', buildKey('job', { job }), 'project_id']),
  );
  for (const [at, job] of jobs.entries()) {
    const reply = replies[at];
    if (reply !== undefined && 'value' in reply) found.get(textOf(reply.value) ?? '')?.jobs.add(job);
  }
}

interface Asked {
  readonly rule: Rule;
  readonly project: string | null;
  readonly id: string;
  readonly list: string;
}

/** Hashes of items and of clustering jobs that their list by time lacks. */
async function findUnnamed(
  redis: RedisPort,
  found: ReadonlyMap<string, Unlisted>,
  own: readonly ClassifiedKey[],
): Promise<void> {
  const asked = own.flatMap(({ family, project, item, job }): Asked[] => {
    if (family === 'feedback' && item !== undefined) {
      return [{ rule: 'item-not-listed', project, id: item, list: buildKey('feedback-created', { project }) }];
    }
    if (family !== 'cluster-job' || job === undefined) return [];
    const list = buildKey('cluster-jobs-recent', { project });
    return [{ rule: 'cluster-job-not-listed', project, id: job, list }];
  });
  const replies = await send(
    redis,
    asked.map(({ list, id }) => ['ZSCORE', list, id]),
  );
  for (const [at, { rule, project, id }] of asked.entries()) {
    const reply = replies[at];
    // A list of another type names nothing, and is told of by its own rule.
    const isListed = reply !== undefined && 'value' in reply && reply.value !== null;
    if (!isListed) found.get(project ?? '')?.broken.push([rule, id]);
  }
}

async function findDangling(
  redis: RedisPort,
  found: ReadonlyMap<string, Unlisted>,
  own: readonly ClassifiedKey[],
): Promise<void> {
  const keys = own.filter(({ family }) => family === 'feedback-external');
  const items = (
    await send(
      redis,
      keys.map((key) => ['GET', buildKey('feedback-external', key)]),
    )
  ).map((reply) => ('value' in reply ? textOf(reply.value) : null));
  const named = keys.flatMap(({ project, source, external }, at) => {
    const item = items[at] ?? null;
    return item === null ? [] : [{ project, id: `${source ?? ''}:${external ?? ''}`, item }];
  });
  const there = await send(
    redis,
    named.map(({ project, item }) => ['EXISTS', buildKey('feedback', { project, item })]),
  );
  for (const [at, { project, id }] of named.entries()) {
    const reply = there[at];
    const isThere = reply !== undefined && 'value' in reply && reply.value === 1;
    if (!isThere) found.get(project ?? '')?.broken.push(['external-dangling', id]);
  }
}

async function send(redis: RedisPort, commands: readonly RedisCommand[]): Promise<RedisReply[]> {
  const replies: RedisReply[] = [];
  for (let at = 0; at < commands.length; at += COMMANDS) {
    replies.push(...(await pipelineInHalves(redis, commands.slice(at, at + COMMANDS))));
  }
  return replies;
}
