import type { RedisPort } from '../../ports/redis.js';
import { runCommands, listOf, textOf } from '../run-commands.js';
import { canBeCluster, canBeItem, clustersKey, createdKey, itemKey } from '../keys.js';
import type { FoundProject } from './found.js';

const COUNT = 1000;

/**
 * What the walk found of a project, and what the project's own lists name besides: items and clusters that came up since.
 * Costs a command for 1,000 members and one for each new one, where another walk would look at every key there is. An
 * item that no list names is found by the next run's walk. `only`: the items that are looked for; null for all.
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
  const news: string[] = [];
  for await (const id of members(redis, createdKey(project))) {
    if (!items.has(id) && !odd.has(id) && only?.has(id) !== false && canBeItem(project, id)) news.push(id);
  }
  const types = await runCommands(
    redis,
    news.map((id) => ['TYPE', itemKey(project, id)]),
  );
  // A list may name what is gone.
  for (const [at, id] of news.entries()) {
    const type = textOf(types[at]);
    if (type === 'hash') items.add(id);
    else if (type !== 'none') odd.set(id, 'not-a-hash');
  }
  for await (const id of members(redis, clustersKey(project))) if (canBeCluster(project, id)) clusters.add(id);
  return { items, odd, clusters };
}

/** None when the key is of another type. */
async function* members(redis: RedisPort, key: string): AsyncGenerator<string> {
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
