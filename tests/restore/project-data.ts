import type { Redis } from 'ioredis';
import { loadMixed, loadWorkspace } from '../../dev/data/index.js';
import { NOW, type RestoreBench } from '../support/restore-bench.js';

/** A workspace of three projects of one user, with keys from before there were projects and keys of somebody else. */
export interface Workspace {
  readonly project: string;
  readonly user: string;
  readonly others: readonly string[];
  readonly clusters: readonly string[];
  /** Items of the project, oldest first. */
  readonly items: readonly string[];
  /** Jobs that name the project by their field alone. */
  readonly jobs: readonly string[];
  /** Whether a key is the project's own, its user's set aside. */
  readonly owns: (key: string) => boolean;
}

/** Jobs and clusters that came up after the snapshot. */
export const LATER = { job: 'later-job', cluster: 'later-cluster', item: 'later-item' };

/** `binary`: whether keys that are no text are there as well; they are read by scripts, which count as writing. */
export async function loadProjects(
  bench: RestoreBench,
  { locked = false, binary = false, items = 36 }: { locked?: boolean; binary?: boolean; items?: number } = {},
): Promise<Workspace> {
  const { redis, url } = bench.database;
  await redis.flushall();
  const data = { projects: 3, users: 1, items, seed: 5, clusterSize: 4, now: NOW, locked };
  await loadWorkspace({ redisUrl: url, ...data });
  if (binary) await loadMixed({ redisUrl: url, keys: 40, seed: 2 });
  await redis.xadd('foreign:stream', '1-1', 'f', 'v');
  await redis.xgroup('CREATE', 'foreign:stream', 'group', '0');
  await redis.rpush('foreign:list', 'a', 'b');
  await redis.set('foreign:expiring', 'v', 'PXAT', NOW + 1e10);
  // A running clustering of the workspace is the first project's: the user's namesake.
  const projects = (await redis.keys('project:*')).map((key) => key.slice('project:'.length)).sort();
  const user = (await redis.hget(`project:${projects[0] ?? ''}`, 'user_id')) ?? '';
  const project = projects.find((id) => id === user) ?? '';
  const clusters = await redis.zrange(`clusters:${project}:all`, '0', '-1');
  const jobs = await jobsOf(redis, project);
  const tied = new Set([
    ...[...clusters, LATER.cluster].map((id) => `cluster:jobs:${id}`),
    ...[...jobs, LATER.job].flatMap((id) => [`job:${id}`, `job:${id}:logs`]),
  ]);
  return {
    project,
    user,
    others: projects.filter((id) => id !== project),
    clusters,
    items: await redis.zrange(`feedback:created:${project}`, '0', '-1'),
    jobs,
    owns: (key) => tied.has(key) || (key.split(':').includes(project) && !key.startsWith('user:')),
  };
}

export async function jobsOf(redis: Redis, project: string): Promise<string[]> {
  const ids: string[] = [];
  for (const key of (await redis.keys('job:*')).sort()) {
    const isHash = (await redis.type(key)) === 'hash';
    if (isHash && (await redis.hget(key, 'project_id')) === project) ids.push(key.slice('job:'.length));
  }
  return ids;
}

/** What a broken deployment may do to a project: some keys are gone, some are changed, and later ones have come up. */
export async function ruin(redis: Redis, { project, items, clusters, jobs, user }: Workspace): Promise<void> {
  const [first = '', second = '', third = ''] = items;
  const [cluster = '', other = ''] = clusters;
  await redis.del(`feedback:${project}:${first}`, `cluster:${project}:${cluster}`, `project:${project}`);
  await redis.del(`job:${jobs[0] ?? ''}`, `config:sentry:${project}:environments`);
  await redis.hset(`feedback:${project}:${second}`, 'title', 'changed');
  await redis.del(`github:repos:${project}`);
  await redis.set(`github:repos:${project}`, 'of another type');
  await redis.zrem(`feedback:created:${project}`, third);
  await redis.sadd(`cluster:${project}:${other}:items`, 'no item');
  await redis.srem(`user:projects:${user}`, project);
  await redis.hset(`feedback:${project}:${LATER.item}`, 'id', LATER.item);
  await redis.zadd(`feedback:created:${project}`, NOW / 1000, LATER.item);
  await redis.hset(`cluster:${project}:${LATER.cluster}`, 'id', LATER.cluster);
  await redis.sadd(`cluster:${project}:${LATER.cluster}:items`, LATER.item);
  await redis.hset(`job:${LATER.job}`, { project_id: project, cluster_id: LATER.cluster, status: 'running' });
  await redis.rpush(`job:${LATER.job}:logs`, 'a line');
  await redis.zadd(`cluster:jobs:${LATER.cluster}`, NOW / 1000, LATER.job);
}
