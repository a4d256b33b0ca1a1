import type { RedisCommand } from '../../ports/redis.js';
import { type CheckContext, groups, parseFields, runCommands, setPages, sortedSetPages } from './context.js';
import { breaksList, CLUSTER_FIELDS, isReadableCluster } from './readable.js';

/** Clusters per group of commands. */
const CLUSTERS = 200;

export interface ClusterFacts {
  /** Listed or known ids. */
  readonly ids: ReadonlySet<string>;
  /** Entries of `clusters:{project}:all`. */
  readonly listed: number;
  /** Ids that have a hash, listed or not. */
  readonly present: number;
  /** Listed clusters that the application can read. */
  readonly readable: number;
}

/**
 * Checks the listed clusters and those that the caller knows (`known`), with their items and their plans.
 * `created` holds the ids of the project's items, `unclustered` those that are in no cluster yet.
 */
export async function checkClusters(
  context: CheckContext,
  known: Iterable<string>,
  created: ReadonlyMap<string, string>,
  unclustered: ReadonlySet<string>,
): Promise<ClusterFacts> {
  const listed = new Set<string>();
  for await (const { elements } of sortedSetPages(context, [`clusters:${context.project}:all`])) {
    for (const [id] of elements) listed.add(id);
  }
  const ids = new Set([...listed, ...known]);
  const counts = { present: 0, readable: 0 };
  for (const group of groups(ids, CLUSTERS)) await checkHashes(context, group, listed, counts);
  await checkItems(context, ids, created, unclustered);
  return { ids, listed: listed.size, ...counts };
}

async function checkHashes(
  context: CheckContext,
  ids: readonly string[],
  listed: ReadonlySet<string>,
  counts: { present: number; readable: number },
): Promise<void> {
  const { project, tally } = context;
  const read = (id: string): RedisCommand => ['HMGET', `cluster:${project}:${id}`, ...CLUSTER_FIELDS];
  const replies = await runCommands(context, ids.map(read));
  const missing: string[] = [];
  for (const [index, id] of ids.entries()) {
    const cluster = parseFields(CLUSTER_FIELDS, replies[index]);
    if (cluster === null) {
      if (listed.has(id)) tally.add('cluster-without-hash', id);
      missing.push(id);
      continue;
    }
    counts.present++;
    if (!listed.has(id)) tally.add('cluster-not-listed', id);
    if (breaksList(cluster)) tally.add('cluster-breaks-list', id);
    else if (!isReadableCluster(cluster)) tally.add('cluster-unreadable', id);
    else if (listed.has(id)) counts.readable++;
  }
  await checkPlans(context, missing);
}

async function checkPlans(context: CheckContext, withoutHash: readonly string[]): Promise<void> {
  const planKey = (id: string): RedisCommand => ['EXISTS', `coding_plan:${context.project}:${id}`];
  const replies = await runCommands(context, withoutHash.map(planKey));
  for (const [index, id] of withoutHash.entries()) {
    if (replies[index] === 1) context.tally.add('plan-without-cluster', id);
  }
}

async function checkItems(
  context: CheckContext,
  clusters: ReadonlySet<string>,
  created: ReadonlyMap<string, string>,
  unclustered: ReadonlySet<string>,
): Promise<void> {
  const keys = [...clusters].map((id) => `cluster:${context.project}:${id}:items`);
  const clusterOf = new Map<string, number>();
  for await (const { index, elements } of setPages(context, keys)) {
    for (const id of elements) {
      if (!created.has(id)) context.tally.add('items-without-created', id);
      if (unclustered.has(id)) context.tally.add('item-clustered-and-unclustered', id);
      const other = clusterOf.get(id);
      if (other !== undefined && other !== index) context.tally.add('item-in-two-clusters', id);
      clusterOf.set(id, index);
    }
  }
}

const JOB_FIELDS = ['id', 'project_id', 'cluster_id', 'status'] as const;
const JOBS = 500;

/** An entry in the list of jobs of a cluster. */
interface Listed {
  readonly job: string;
  readonly cluster: string;
}

/** Checks the jobs that the project's clusters list, and those that the caller knows (`known`). */
export async function checkJobs(
  context: CheckContext,
  clusters: ReadonlySet<string>,
  known: Iterable<string>,
): Promise<void> {
  const ids = [...clusters];
  const listed = new Set<string>();
  const keys = ids.map((id) => `cluster:jobs:${id}`);
  let waiting: Listed[] = [];
  for await (const { index, elements } of sortedSetPages(context, keys)) {
    for (const [job] of elements) {
      listed.add(job);
      waiting.push({ job, cluster: ids[index] ?? '' });
    }
    // Most clusters have a job or two, so the jobs of many clusters are read together.
    if (waiting.length < JOBS) continue;
    await checkListed(context, waiting);
    waiting = [];
  }
  await checkListed(context, waiting);
  for (const jobs of groups(known, JOBS)) {
    await checkUnlisted(
      context,
      jobs.filter((job) => !listed.has(job)),
    );
  }
}

async function readJobs(context: CheckContext, jobs: readonly string[]) {
  const replies = await runCommands(
    context,
    jobs.map((job): RedisCommand => ['HMGET', `job:${job}`, ...JOB_FIELDS]),
  );
  return jobs.map((id, index) => ({ id, fields: parseFields(JOB_FIELDS, replies[index]) }));
}

async function checkListed(context: CheckContext, listed: readonly Listed[]): Promise<void> {
  const jobs = await readJobs(
    context,
    listed.map(({ job }) => job),
  );
  for (const [index, { id, fields }] of jobs.entries()) {
    if (fields === null) {
      context.tally.add('job-without-hash', id);
      continue;
    }
    if (fields.project_id !== context.project) context.tally.add('job-of-another-project', id);
    if (fields.cluster_id !== listed[index]?.cluster) context.tally.add('job-of-another-cluster', id);
  }
}

/** A known job that is gone, or belongs to another project by now, is not a fault of this project. */
async function checkUnlisted(context: CheckContext, jobs: readonly string[]): Promise<void> {
  const own = (await readJobs(context, jobs)).filter(({ fields }) => fields?.project_id === context.project);
  const scores = await runCommands(
    context,
    own.map(({ id, fields }): RedisCommand => ['ZSCORE', `cluster:jobs:${fields?.cluster_id ?? ''}`, id]),
  );
  for (const [index, { id }] of own.entries()) if (scores[index] === null) context.tally.add('job-not-listed', id);
}
