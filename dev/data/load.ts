import { Redis } from 'ioredis';
import { AppError } from '../../lib/errors.js';
import { classifyKey, type Family } from '../../lib/soulcaster/keys.js';
import { writeMixed, type MixedOptions } from './mixed.js';
import { generateWorkspace, type WorkspaceOptions } from './workspace.js';
import type { Write } from './write.js';

export interface Loaded {
  /** Distinct keys written. */
  readonly keys: number;
  readonly byFamily: Readonly<Partial<Record<Family, number>>>;
  /** Keys of each project, including jobs and other keys whose names do not contain the project. */
  readonly byProject: Readonly<Record<string, number>>;
}

interface Target {
  /** `redis://host:port/db`, or the path of a socket. */
  readonly redisUrl: string;
}

const COMMANDS_A_BATCH = 1000;
const BYTES_A_BATCH = 4 * 1024 * 1024;

/** Writes a workspace into a database over Redis's own protocol. The database should be empty. */
export async function loadWorkspace({ redisUrl, ...options }: Target & WorkspaceOptions): Promise<Loaded> {
  return load(redisUrl, generateWorkspace(options));
}

/** Writes keys of all types and sizes, with odd names and values, that are not Soulcaster's. */
export async function loadMixed({ redisUrl, ...options }: Target & MixedOptions): Promise<Loaded> {
  return load(redisUrl, writeMixed(options));
}

/** Runs the commands in order. Throws `redis-unavailable` or, when Redis refuses one, `redis-command`. */
export async function load(redisUrl: string, writes: Iterable<Write>): Promise<Loaded> {
  const redis = new Redis(redisUrl, { protocol: 2, retryStrategy: () => null, maxRetriesPerRequest: 0 });
  // The failed command reports the error as well; without a listener ioredis prints it.
  redis.on('error', () => undefined);
  const tally = newTally();
  try {
    let sent: Promise<void> = Promise.resolve();
    for (const batch of batches(writes)) {
      // A batch is assembled while Redis processes the previous one.
      await sent;
      for (const write of batch) if (write.creates) tally.count(write);
      sent = send(redis, batch);
      sent.catch(() => undefined);
    }
    await sent;
  } finally {
    // Disconnecting an ended connection leaves a two-second timer of ioredis running.
    if (redis.status !== 'end') redis.disconnect();
  }
  return tally.result();
}

function* batches(writes: Iterable<Write>): Generator<Write[]> {
  let batch: Write[] = [];
  let bytes = 0;
  for (const write of writes) {
    batch.push(write);
    for (const argument of write.command) bytes += argument.length;
    if (batch.length < COMMANDS_A_BATCH && bytes < BYTES_A_BATCH) continue;
    yield batch;
    batch = [];
    bytes = 0;
  }
  if (batch.length > 0) yield batch;
}

async function send(redis: Redis, batch: readonly Write[]): Promise<void> {
  const pipeline = redis.pipeline();
  for (const { command } of batch) pipeline.call(...command);
  const replies = await pipeline.exec().catch((cause: unknown) => {
    throw failure(cause);
  });
  for (const [error] of replies ?? []) if (error !== null) throw failure(error);
}

function failure(error: unknown): AppError {
  // A ReplyError's text can quote the command's arguments: only its first word, the code, is shown.
  if (error instanceof Error && error.name === 'ReplyError') {
    return new AppError('redis-command', `Redis refused a command: ${error.message.split(' ', 1)[0] ?? ''}`, {
      hint: 'Load test data into an empty database of Redis 7.0 or newer.',
    });
  }
  return new AppError('redis-unavailable', 'Redis cannot be reached', {
    hint: 'Check that the Redis server of --redis is running.',
    transient: true,
    cause: error,
  });
}

function newTally() {
  const byFamily: Partial<Record<Family, number>> = {};
  const byProject = new Map<string, number>();
  let keys = 0;
  return {
    count({ key, project }: Write): void {
      const { family } = classifyKey(key.toString());
      keys++;
      byFamily[family] = (byFamily[family] ?? 0) + 1;
      if (project !== null) byProject.set(project, (byProject.get(project) ?? 0) + 1);
    },
    result: (): Loaded => ({ keys, byFamily, byProject: Object.fromEntries(byProject) }),
  };
}
