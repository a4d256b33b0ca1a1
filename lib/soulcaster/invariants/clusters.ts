import type { RedisCommand } from '../../ports/redis.js';
import { runCommands, parseFields, groups, type CheckContext } from './context.js';
import { setPages, sortedSetPages } from './pages.js';
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
