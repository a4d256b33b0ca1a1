import type { RedisPort } from '../../ports/redis.js';
import { runCommands, listOf, textOf } from '../run-commands.js';
import { canBeCluster, canBeItem, clustersKey, createdKey, itemKey } from '../keys.js';
import type { FoundProject } from './found.js';

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
