import { AppError } from '../errors.js';
import type { Clock, RedisPort } from '../ports/index.js';
import type { RedisReply, RedisValue } from '../ports/redis.js';
import { classifyKey } from '../soulcaster/keys.js';

/** Keys that one SCAN looks at, and how many of them are made: half a million keys, and 100 commands, at most. */
const COUNT = 5_000;
const MOST_PAGES = 100;
/** After so many milliseconds what was seen will do. */
const LONG_ENOUGH_MS = 4_000;

export interface SeenProjects {
  readonly projects: ReadonlySet<string>;
  /** Whether the whole database was looked through. */
  readonly all: boolean;
}

/** The projects that have a `project:` hash, as far as they are found within bounds. */
export async function seeProjects(redis: RedisPort, clock: Clock): Promise<SeenProjects> {
  const projects = new Set<string>();
  const until = clock.now() + LONG_ENOUGH_MS;
  let cursor = '0';
  for (let page = 0; page < MOST_PAGES && clock.now() < until; page++) {
    const [reply] = await redis.pipeline([['SCAN', cursor, 'MATCH', 'project:*', 'COUNT', COUNT]]);
    const [next, keys] = listIn(valueOf(reply));
    for (const key of listIn(keys)) {
      const { family, project } = classifyKey(String(key));
      if (family === 'project' && project !== null) projects.add(project);
    }
    cursor = String(next);
    if (cursor === '0') return { projects, all: true };
  }
  return { projects, all: false };
}

/** How many feedback items each project has, in order; null where the key is not what it should be. */
export async function countItems(redis: RedisPort, projects: readonly string[]): Promise<(number | null)[]> {
  if (projects.length === 0) return [];
  const replies = await redis.pipeline(projects.map((project) => ['ZCARD', `feedback:created:${project}`]));
  return replies.map((reply) => ('value' in reply && typeof reply.value === 'number' ? reply.value : null));
}

function valueOf(reply: RedisReply | undefined): RedisValue {
  if (reply !== undefined && 'value' in reply) return reply.value;
  throw new AppError('redis-denied', 'The database refuses SCAN', {
    hint: 'Use the standard REST token: Upstash does not let a read-only token SCAN.',
  });
}

function listIn(value: RedisValue | undefined): readonly RedisValue[] {
  if (Array.isArray(value)) return value;
  throw new AppError('redis-unavailable', 'Redis answered SCAN with something other than keys', {
    hint: 'Check UPSTASH_REDIS_REST_URL: a proxy in between may change answers.',
    transient: true,
  });
}
