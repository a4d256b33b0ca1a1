import type { Redis } from 'ioredis';
import { loadWorkspace } from '../../dev/data/index.js';
import type { Rule } from '../../lib/soulcaster/invariants/rules.js';

export const ITEMS = 60;

/** An id that does not exist. */
export const LOST = 'c0ffee00-0000-4000-8000-000000000000';

/** Two consistent projects of one user; everything but `other` belongs to the first. */
export interface Workspace {
  readonly redis: Redis;
  readonly project: string;
  readonly other: string;
  readonly owner: string;
  /** Items, oldest first. */
  readonly ids: readonly string[];
  readonly repos: readonly string[];
  readonly clusters: readonly string[];
  /** A cluster with a job. */
  readonly worked: { readonly cluster: string; readonly job: string };
  field(id: string, name: string): Promise<string | null>;
}

/** The expected result of a breach: the ids to be found, by rule. */
export type Found = Partial<Record<Rule, readonly string[]>>;

export interface Breach {
  readonly rule: Rule;
  /** Whether the dashboard still loads. */
  readonly loads: boolean;
  readonly commit: (workspace: Workspace) => Promise<Found>;
}

export async function loadWhole(redis: Redis, redisUrl: string): Promise<Workspace> {
  await redis.flushall();
  await loadWorkspace({ redisUrl, projects: 2, users: 1, items: ITEMS, seed: 5, clusterSize: 4 });
  const names = (await redis.keys('project:*')).map((key) => key.slice('project:'.length)).sort();
  const [project = '', other = ''] = names;
  const clusters = await redis.zrange(`clusters:${project}:all`, '0', '-1');
  return {
    redis,
    project,
    other,
    owner: (await redis.hget(`project:${project}`, 'user_id')) ?? '',
    ids: await redis.zrange(`feedback:created:${project}`, '0', '-1'),
    repos: await redis.smembers(`github:repos:${project}`),
    clusters,
    worked: await findWork(redis, clusters),
    field: (id, name) => redis.hget(`feedback:${project}:${id}`, name),
  };
}

async function findWork(redis: Redis, clusters: readonly string[]): Promise<Workspace['worked']> {
  for (const cluster of clusters) {
    const [job] = await redis.zrange(`cluster:jobs:${cluster}`, '0', '0');
    if (job !== undefined) return { cluster, job };
  }
  throw new Error('no cluster was worked on');
}
