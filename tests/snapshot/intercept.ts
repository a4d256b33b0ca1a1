import { AppError } from '../../lib/errors.js';
import type { ObjectStore, RedisPort } from '../../lib/ports/index.js';
import type { RedisCommand, RedisReply } from '../../lib/ports/redis.js';
import type { SnapshotBench } from '../support/snapshot-bench.js';

export interface Hooks {
  /** Runs before the request; what it returns is answered instead of asking the database. */
  readonly before?: (commands: readonly RedisCommand[]) => Promise<RedisReply[] | null> | RedisReply[] | null;
  /** May change what the database answered. */
  readonly after?: (commands: readonly RedisCommand[], replies: RedisReply[]) => Promise<RedisReply[]> | RedisReply[];
}

type Run = (commands: readonly RedisCommand[]) => Promise<RedisReply[]>;

/** A port that lets a test act between requests, or answer in place of the database. */
export function intercept(redis: RedisPort, { before, after }: Hooks): RedisPort {
  const around =
    (run: Run): Run =>
    async (commands) => {
      const replies = (await before?.(commands)) ?? (await run(commands));
      return (await after?.(commands, replies)) ?? replies;
    };
  return {
    ...redis,
    pipeline: around((commands) => redis.pipeline(commands)),
    transaction: around((commands) => redis.transaction(commands)),
  };
}

/** A hook that does something once, before the first request that has a command of this name for this key. */
export function once(name: string, key: string, act: () => Promise<unknown>, skip = 0): Hooks {
  let left = skip;
  let done = false;
  return {
    async before(commands) {
      if (done || !commands.some((command) => isAbout(command, name, key)) || left-- > 0) return null;
      done = true;
      await act();
      return null;
    },
  };
}

export function isAbout([command, ...args]: RedisCommand, name: string, key: string): boolean {
  return command === name && args.some((arg) => Buffer.isBuffer(arg) && arg.toString('latin1') === key);
}

export function tooLarge(): AppError {
  return new AppError('redis-reply-too-large', 'over the limit', { hint: 'Ask for less.' });
}

/** A store of a process that dies at its n-th write: before the write, or after it and before the answer. */
export function dyingStore(store: ObjectStore, atWrite: number, when: 'before' | 'after'): MortalStore {
  let writes = 0;
  let dead = false;
  const alive = (): void => {
    if (dead) throw new AppError('interrupted', 'this process is dead', { hint: 'None.' });
  };
  const write = async <T>(run: () => Promise<T>): Promise<T> => {
    alive();
    const fatal = ++writes === atWrite;
    if (fatal && when === 'before') dead = true;
    alive();
    const result = await run();
    if (fatal) dead = true;
    alive();
    return result;
  };
  return {
    isDead: () => dead,
    store: {
      create: (name, body) => write(() => store.create(name, body)),
      swap: (name, body, etag) => write(() => store.swap(name, body, etag)),
      remove: (name) => write(() => store.remove(name)),
      // Async, so that a dead store rejects and does not throw.
      read: async (name) => (alive(), store.read(name)),
      list: (prefix) => (alive(), store.list(prefix)),
      folders: (prefix) => (alive(), store.folders(prefix)),
    },
  };
}

export interface MortalStore {
  readonly store: ObjectStore;
  isDead(): boolean;
}

/** A port whose every request takes a millisecond of the bench's clock, so that deadlines come where a test wants them. */
export function ticking(bench: SnapshotBench, redis = bench.port): RedisPort {
  return intercept(redis, {
    before: () => {
      bench.clock.advance(1);
      return null;
    },
  });
}

/** A port whose SCAN names its first keys once more, on a separate page at the end: so there are duplicates. */
export function scanningTwice({ port }: Pick<SnapshotBench, 'port'>, keys: number): RedisPort {
  const extra = '4242424242';
  let first: Buffer[] | null = null;
  return intercept(port, {
    before: ([scan]) =>
      scan?.[0] === 'SCAN' && scan[1] === extra ? [{ value: [Buffer.from('0'), first ?? []] }] : null,
    after([scan], replies) {
      const [reply] = replies;
      if (scan?.[0] !== 'SCAN' || scan[1] === extra || reply === undefined || !('value' in reply)) return replies;
      const [cursor, flat] = reply.value as [Buffer, Buffer[]];
      // With each name comes its type.
      first ??= flat.slice(0, 2 * keys);
      return cursor.toString() === '0' ? [{ value: [Buffer.from(extra), flat] }] : replies;
    },
  });
}
