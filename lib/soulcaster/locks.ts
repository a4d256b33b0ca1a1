import { AppError } from '../errors.js';
import type { RedisCommand, RedisPort, RedisValue } from '../ports/redis.js';
import { saysFull } from '../redis/at-once.js';
import { runOne } from '../redis/run-one.js';

/** The application's own lock is held for so long at a time; a restore that dies lets go of it by itself. */
const LOCK_MS = 15 * 60 * 1000;
const RENEW_BELOW_MS = LOCK_MS / 2;
const PER_REQUEST = 500;
/** Compare and delete in one: the lock may have run out and be another's by now. */
const RELEASE = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0";

/**
 * Takes the clustering lock of each project, so that the application does not cluster what is half restored or half indexed. Whoever
 * holds one loses it: the run it belongs to ended, as far as the restored data goes. Returns how many were held. A database
 * that is full gives a lock to nobody, the application included: `keepLocks` takes it once there is room.
 */
export async function takeLocks(redis: RedisPort, projects: readonly string[], run: string): Promise<number> {
  const replies = await send(
    redis,
    projects.map((project) => ['SET', lockOf(project), run, 'PX', LOCK_MS, 'GET']),
  );
  return replies.filter((reply) => Buffer.isBuffer(reply) && reply.toString('utf8') !== run).length;
}

/** Puts the end of the locks off, if it is near. Costs one command as a rule: they were all taken at one time. */
export async function keepLocks(redis: RedisPort, projects: readonly string[], run: string): Promise<void> {
  const [first] = projects;
  if (first === undefined) return;
  const left = await runOne(redis, (sdk) => sdk.pttl(lockOf(first)));
  if ('error' in left) throw refused(left.error);
  if (left.value < RENEW_BELOW_MS) await takeLocks(redis, projects, run);
}

export async function releaseLocks(redis: RedisPort, projects: readonly string[], run: string): Promise<void> {
  await send(
    redis,
    projects.map((project) => ['EVAL', RELEASE, 1, lockOf(project), run]),
  );
}

function lockOf(project: string): string {
  return `cluster:lock:${project}`;
}

async function send(redis: RedisPort, commands: readonly RedisCommand[]): Promise<RedisValue[]> {
  const values: RedisValue[] = [];
  for (let at = 0; at < commands.length; at += PER_REQUEST) {
    for (const reply of await redis.pipeline(commands.slice(at, at + PER_REQUEST))) {
      if ('error' in reply && !saysFull(reply.error)) throw refused(reply.error);
      values.push('error' in reply ? null : reply.value);
    }
  }
  return values;
}

/** Says the error's kind alone: the rest of Redis's text may quote the name of the key. */
function refused(error: string): AppError {
  return new AppError('redis-command', `A project's lock could not be taken: ${error.split(' ', 1)[0] ?? ''}`, {
    hint: 'The database must take writes, and the token must be allowed SET, PTTL and EVAL on cluster:lock:*; use the standard REST token of the target.',
  });
}
