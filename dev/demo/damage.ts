import type { RedisPort } from '../../lib/ports/redis.js';
import { runOne } from '../../lib/redis/run-one.js';
import { scanReplies } from '../../lib/redis/scan.js';
import { classifyKey } from '../../lib/soulcaster/keys.js';

/** The id of the first project that SCAN returns; '' when there is none. */
export async function findFirstProject(redis: RedisPort): Promise<string> {
  for await (const key of keysOf(redis)) {
    const { family, project } = classifyKey(key.toString('utf8'));
    if (family === 'project' && project !== null) return project;
  }
  return '';
}

/** Removes every key of the project, as a wrong click in the dashboard would; returns how many. */
export async function deleteProject(redis: RedisPort, project: string): Promise<number> {
  const keys: Buffer[] = [];
  for await (const key of keysOf(redis)) if (classifyKey(key.toString('utf8')).project === project) keys.push(key);
  if (keys.length > 0) await redis.pipeline([['UNLINK', ...keys]]);
  return keys.length;
}

/** Empties the database and writes a few other keys, as a new deployment on the old database would. */
export async function loseEverything(redis: RedisPort): Promise<void> {
  await redis.transaction([
    ['FLUSHALL'],
    ['HSET', 'project:fresh', 'id', 'fresh', 'user_id', 'somebody', 'name', 'Hello world'],
    ['SADD', 'user:projects:somebody', 'fresh'],
  ]);
}

export async function countKeys(redis: RedisPort): Promise<number> {
  const size = await runOne(redis, (sdk) => sdk.dbsize());
  return 'value' in size ? size.value : 0;
}

async function* keysOf(redis: RedisPort): AsyncGenerator<Buffer> {
  for await (const { items } of scanReplies(redis, '0', () => 1000, []))
    for (const key of items) if (Buffer.isBuffer(key)) yield key;
}
