import type { RedisPort } from '../ports/redis.js';
import {
  canBeCluster,
  canBeItem,
  clusterItemsKey,
  clusterKey,
  clustersKey,
  createdKey,
  itemKey,
  listOf,
  runCommands,
  textOf,
} from './database.js';
import type { FoundProject } from './find-step.js';
import type { Conflict } from './model.js';

const COUNT = 1000;

/**
 * Adds to the findings of the walk the items and clusters that the project's lists name, which were created since. Costs a
 * command per 1,000 members and one per new member, whereas another walk would read every key. An item that no list names
 * is found by the walk of the next run. `only`: the items to search for; null for all.
 */
export async function withListed(
  redis: RedisPort,
  project: string,
  found: FoundProject,
  only: ReadonlySet<string> | null = null,
): Promise<FoundProject> {
  const items = new Set(found.items);
  const odd = new Map(found.odd);
  const clusters = new Set(found.clusters);
  const newIds: string[] = [];
  for await (const id of listMembers(redis, createdKey(project))) {
    if (!items.has(id) && !odd.has(id) && only?.has(id) !== false && canBeItem(project, id)) newIds.push(id);
  }
  const types = await runCommands(
    redis,
    newIds.map((id) => ['TYPE', itemKey(project, id)]),
  );
  // A list may name deleted items.
  for (const [at, id] of newIds.entries()) {
    const type = textOf(types[at]);
    if (type === 'hash') items.add(id);
    else if (type !== 'none') odd.set(id, 'not-a-hash');
  }
  for await (const id of listMembers(redis, clustersKey(project))) if (canBeCluster(project, id)) clusters.add(id);
  return { items, odd, clusters };
}

/** Yields nothing if the key is of another type. */
async function* listMembers(redis: RedisPort, key: string): AsyncGenerator<string> {
  let cursor = '0';
  do {
    const [answer] = await runCommands(redis, [['ZSCAN', key, cursor, 'COUNT', COUNT]]);
    const [next, pairs] = listOf(answer);
    for (const [at, member] of listOf(pairs).entries()) {
      const id = at % 2 === 0 ? textOf(member) : null;
      if (id !== null) yield id;
    }
    cursor = textOf(next) ?? '0';
  } while (cursor !== '0');
}

/** The cluster of each clustered item. */
export interface Membership {
  readonly clusterOf: ReadonlyMap<string, string>;
  readonly conflicts: readonly Conflict[];
}

const MEMBERS = 500;
/** Sets read concurrently. */
const AT_ONCE = 100;

/**
 * Finds the cluster of each item; the clusters' member sets are the only record. An item in several clusters belongs to the
 * newest: the one with the highest score among the project's clusters, or by its `created_at` if it has no score.
 */
export async function readClusters(
  redis: RedisPort,
  project: string,
  clusters: Iterable<string>,
  items: ReadonlySet<string>,
): Promise<Membership> {
  const clusterOf = new Map<string, string>();
  const several = new Map<string, Set<string>>();
  await forEachMember(redis, project, [...clusters], (cluster, id) => {
    if (!items.has(id)) return;
    const other = clusterOf.get(id);
    if (other !== undefined && other !== cluster) {
      several.set(id, (several.get(id) ?? new Set([other])).add(cluster));
    }
    clusterOf.set(id, cluster);
  });
  const isOlder = await compareByAge(redis, project, new Set([...several.values()].flatMap((ids) => [...ids])));
  const conflicts = [...several].map(([id, ids]): Conflict => {
    const ordered = [...ids].sort(isOlder);
    const chosen = ordered.at(-1) ?? '';
    clusterOf.set(id, chosen);
    return { project, id, clusters: ordered, chosen };
  });
  return { clusterOf, conflicts };
}

async function forEachMember(
  redis: RedisPort,
  project: string,
  clusters: readonly string[],
  onMember: (cluster: string, id: string) => void,
): Promise<void> {
  let open = clusters.map((cluster) => ({ cluster, cursor: '0' }));
  while (open.length > 0) {
    const turn = open.slice(0, AT_ONCE);
    const answers = await runCommands(
      redis,
      turn.map(({ cluster, cursor }) => ['SSCAN', clusterItemsKey(project, cluster), cursor, 'COUNT', MEMBERS]),
    );
    const unfinished = turn.flatMap(({ cluster }, at) => {
      const [next, members] = listOf(answers[at]);
      for (const member of listOf(members)) onMember(cluster, textOf(member) ?? '');
      const cursor = textOf(next) ?? '0';
      return cursor === '0' ? [] : [{ cluster, cursor }];
    });
    open = [...unfinished, ...open.slice(AT_ONCE)];
  }
}

type Compare = (a: string, b: string) => number;

/** Orders clusters by age, the newest last; clusters of the same age by id, so that the order is always the same. */
async function compareByAge(redis: RedisPort, project: string, clusters: ReadonlySet<string>): Promise<Compare> {
  const ids = [...clusters];
  const answers = await runCommands(
    redis,
    ids.flatMap((id) => [
      ['ZSCORE', clustersKey(project), id],
      ['HGET', clusterKey(project, id), 'created_at'],
    ]),
  );
  const seconds = new Map(
    ids.map((id, at) => [id, createdSeconds(textOf(answers[2 * at]), textOf(answers[2 * at + 1]))]),
  );
  return (a, b) => {
    const [left = -Infinity, right = -Infinity] = [seconds.get(a), seconds.get(b)];
    if (left !== right) return left < right ? -1 : 1;
    return a < b ? -1 : 1;
  };
}

function createdSeconds(score: string | null, createdAt: string | null): number {
  const scored = Number(score ?? Number.NaN);
  if (!Number.isNaN(scored)) return scored;
  const parsed = Date.parse(createdAt ?? '') / 1000;
  return Number.isNaN(parsed) ? -Infinity : parsed;
}
