import type { Clock, RedisPort } from '../ports/index.js';
import { scanReplies } from '../redis/scan.js';
import { classifyKey } from '../soulcaster/keys.js';

/** Keys that one SCAN looks at, and how many of them are made: half a million keys, and 100 commands, at most. */
const COUNT = 5_000;
const MOST_PAGES = 100;
/** After this many milliseconds what was seen will do. */
const LONG_ENOUGH_MS = 4_000;

interface FoundProjects {
  readonly projects: ReadonlySet<string>;
  /** Whether the whole database was looked through. */
  readonly all: boolean;
}

/** The projects that have a `project:` hash, as far as they are found within bounds. */
export async function findProjects(redis: RedisPort, clock: Clock): Promise<FoundProjects> {
  const projects = new Set<string>();
  const until = clock.now() + LONG_ENOUGH_MS;
  let pages = 0;
  for await (const { items, next } of scanReplies(redis, '0', () => COUNT, ['MATCH', 'project:*'])) {
    for (const key of items) {
      const { family, project } = classifyKey(String(key));
      if (family === 'project' && project !== null) projects.add(project);
    }
    if (next === null) return { projects, all: true };
    if (++pages >= MOST_PAGES || clock.now() >= until) break;
  }
  return { projects, all: false };
}

/** How many feedback items each project has, in order; null where the key is not what it should be. */
export async function countItems(redis: RedisPort, projects: readonly string[]): Promise<(number | null)[]> {
  if (projects.length === 0) return [];
  const replies = await redis.pipeline(projects.map((project) => ['ZCARD', `feedback:created:${project}`]));
  return replies.map((reply) => ('value' in reply && typeof reply.value === 'number' ? reply.value : null));
}

/** What people call each project, in order; null where its hash has no name. */
export async function readNames(redis: RedisPort, projects: readonly string[]): Promise<(string | null)[]> {
  if (projects.length === 0) return [];
  const replies = await redis.pipeline(projects.map((project) => ['HGET', `project:${project}`, 'name']));
  return replies.map((reply) => {
    const name = 'value' in reply && Buffer.isBuffer(reply.value) ? reply.value.toString('utf8') : '';
    return name === '' ? null : name;
  });
}
