import { AppError } from '../errors.js';
import type { RedisCommand, RedisPort, RedisValue } from '../ports/redis.js';
import { saysFull } from '../redis/at-once.js';
import { runOne } from '../redis/run-one.js';

/** Time to live of the application's lock, so that the lock of a dead restore expires. */
const LOCK_MS = 15 * 60 * 1000;
const RENEW_BELOW_MS = LOCK_MS / 2;
const PER_REQUEST = 500;
/** Compares and deletes atomically: the lock may have expired and been taken by another process. */
const RELEASE = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0";

/**
 * Takes the clustering lock of each project, so that the application does not cluster half restored or half indexed data.
 * A current holder loses the lock: its clustering run is obsolete for the restored data. Returns how many locks were held. A
 * full database grants no locks, not even to the application: `keepLocks` takes them once there is room.
 */
export async function takeLocks(redis: RedisPort, projects: readonly string[], run: string): Promise<number> {
  const replies = await runCommands(
    redis,
    projects.map((project) => ['SET', lockKey(project), run, 'PX', LOCK_MS, 'GET']),
  );
  return replies.filter((reply) => Buffer.isBuffer(reply) && reply.toString('utf8') !== run).length;
}

/** Renews the locks if they expire soon. Usually one command, because all were taken at the same time. */
export async function keepLocks(redis: RedisPort, projects: readonly string[], run: string): Promise<void> {
  const [first] = projects;
  if (first === undefined) return;
  const left = await runOne(redis, (sdk) => sdk.pttl(lockKey(first)));
  if ('error' in left) throw lockRefusedError(left.error);
  if (left.value < RENEW_BELOW_MS) await takeLocks(redis, projects, run);
}

export async function releaseLocks(redis: RedisPort, projects: readonly string[], run: string): Promise<void> {
  await runCommands(
    redis,
    projects.map((project) => ['EVAL', RELEASE, 1, lockKey(project), run]),
  );
}

function lockKey(project: string): string {
  return `cluster:lock:${project}`;
}

async function runCommands(redis: RedisPort, commands: readonly RedisCommand[]): Promise<RedisValue[]> {
  const values: RedisValue[] = [];
  for (let at = 0; at < commands.length; at += PER_REQUEST) {
    for (const reply of await redis.pipeline(commands.slice(at, at + PER_REQUEST))) {
      if ('error' in reply && !saysFull(reply.error)) throw lockRefusedError(reply.error);
      values.push('error' in reply ? null : reply.value);
    }
  }
  return values;
}

/** Names the kind of the error only: the rest of Redis's text may quote the key. */
function lockRefusedError(error: string): AppError {
  const kind = error.split(' ', 1)[0] ?? '';
  return new AppError('redis-command', `Redis refused to set, check or release a project's lock: ${kind}`, {
    hint: 'The database must accept writes, and the token needs SET, PTTL and EVAL on cluster:lock:*; use the standard REST token of the target database.',
  });
}
