import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { AppError } from '../../lib/errors.js';
import type { RedisReply } from '../../lib/ports/redis.js';
import { latestIn, selectedIn } from '../support/trust.js';
import { openSnapshotBench, type SnapshotBench } from '../support/snapshot-bench.js';
import { intercept, tooLarge, type Hooks } from './intercept.js';
import { recordsByKey } from './lines.js';

const SECRET = 'a value that nobody may see';

describe('keys that cannot be saved', () => {
  let bench: SnapshotBench;
  beforeAll(async () => {
    bench = await openSnapshotBench();
  });
  afterAll(() => bench.stop());
  beforeEach(async () => {
    await bench.database.redis.flushall();
    await bench.database.redis.mset('a', '1', 'b', '2');
    await bench.database.redis.hset('bad', 'f', SECRET);
  });

  /** Puts an error in place of the reply to every command about one key. */
  function failing(key: string, error: string): Hooks {
    return {
      after: (commands, replies) =>
        commands.map((command, at): RedisReply => {
          const isIt = command[1]?.toString() === key && command[0] !== 'PEXPIRETIME';
          return isIt ? { error } : (replies[at] ?? { error: 'missing' });
        }),
    };
  }

  it('are reported and make the snapshot incomplete, and it is never the latest', async () => {
    const whole = await bench.takeWhole();
    const { id, run, manifest } = await bench.take({
      redis: intercept(bench.port, failing('bad', `ERR something about ${SECRET}`)),
    });
    expect(run).toMatchObject({ state: 'incomplete', error: { code: 'incomplete' }, result: { failed: 1, keys: 2 } });
    expect(manifest).toMatchObject({ state: 'incomplete', counts: { keys: 2 } });
    expect(manifest?.ledger.failed).toEqual({ count: 1, keys: [{ key: 'bad', reason: 'ERR' }] });
    expect(JSON.stringify([run, manifest])).not.toContain(SECRET);
    expect((await bench.verify(id)).state).toBe('succeeded');
    expect(await latestIn(bench.folder.store)).toBe(whole.id);
    expect(await selectedIn(bench.folder.store, 'latest')).toBe(whole.id);
    expect(await selectedIn(bench.folder.store, id)).toBe(id);
  });

  it('leave no snapshot to restore by default when there is no other', async () => {
    const own = await openSnapshotBench();
    try {
      await own.database.redis.hset('bad', 'f', 'v');
      const { id } = await own.take({ redis: intercept(own.port, failing('bad', 'LOADING')) });
      expect(await latestIn(own.folder.store)).toBeNull();
      await expect(selectedIn(own.folder.store, 'latest')).rejects.toMatchObject({ code: 'not-found' });
      expect(await selectedIn(own.folder.store, id)).toBe(id);
    } finally {
      await own.stop();
    }
  });

  it('are counted beyond the first thousand, which are named', async () => {
    const { redis } = bench.database;
    const many = redis.pipeline();
    for (let at = 0; at < 1200; at++) many.rpush(`many:${at}`, 'v');
    await many.exec();
    const refusing = intercept(bench.port, {
      after: (commands, replies) =>
        replies.map((reply, at): RedisReply => (commands[at]?.[0] === 'LRANGE' ? { error: 'MISCONF' } : reply)),
    });
    const { run, manifest } = await bench.take({ redis: refusing });
    expect(run).toMatchObject({ state: 'incomplete', result: { failed: 1200, keys: 3 } });
    expect(manifest?.ledger.failed.count).toBe(1200);
    expect(manifest?.ledger.failed.keys).toHaveLength(1000);
  });

  it('of a type without a record form are counted and named, and make the snapshot incomplete unless they are left out', async () => {
    const redis = intercept(bench.port, {
      after: (commands, replies) => {
        const [reply] = replies;
        if (commands[0]?.[0] !== 'SCAN' || reply === undefined || !('value' in reply)) return replies;
        const [cursor, flat] = reply.value as [Buffer, Buffer[]];
        return [{ value: [cursor, [...flat, Buffer.from([0xff]), Buffer.from('MBbloom--')]] }];
      },
    });
    const { run, manifest } = await bench.take({ redis });
    expect(run).toMatchObject({ state: 'incomplete', result: { unsupported: 1, keys: 3 } });
    expect(run.error?.message).toBe('1 key of type MBbloom-- that no snapshot can hold');
    expect(run.error?.hint).toContain('BACKUP_SKIP_TYPES=MBbloom--');
    const unsupported = {
      count: 1,
      keys: [{ key: { b: Buffer.from([0xff]).toString('base64') }, reason: 'type MBbloom--' }],
      types: { 'MBbloom--': 1 },
    };
    expect(manifest).toMatchObject({ state: 'incomplete', ledger: { unsupported } });

    const accepted = await bench.takeWhole({ redis, settings: { skipTypes: ['mbbloom--', 'vectorset'] } });
    expect(accepted.manifest).toMatchObject({ state: 'complete', ledger: { unsupported } });
    const safety = await bench.takeWhole({ redis, settings: { purpose: 'safety' } });
    expect(safety.manifest.ledger).toMatchObject({ unsupported });
  });

  it.each([
    ['refused as a whole', new AppError('redis-command', 'EXECABORT', { hint: 'None.' }), 'EXECABORT'],
    ['too large for a reply', tooLarge(), 'too large for one reply'],
  ])('of type JSON are named when they are %s, and found among others', async (_name, error, reason) => {
    const scanned = jsonAware(bench, () => {
      throw error;
    });
    const { run, manifest } = await bench.take({ redis: scanned });
    expect(run.state).toBe('incomplete');
    expect(manifest?.ledger.failed.keys).toEqual([{ key: 'doc', reason }]);
    expect(manifest?.counts.byType).toEqual({ string: 2, hash: 1 });
  });

  it('of type JSON are saved when the server has them', async () => {
    const { manifest } = await bench.takeWhole({ redis: jsonAware(bench, () => Buffer.from('{"a":[1.50,"é"]}')) });
    const [line] = (await recordsByKey(bench, manifest)).get('"doc"') ?? [];
    expect(line).toMatchObject({ t: 'json', v: '{"a":[1.50,"é"]}', x: 4_102_444_800_000 });
  });

  it('do not hide that the whole database is unreachable: the run fails', async () => {
    const redis = intercept(bench.port, {
      before: ([first]) => {
        if (first?.[0] !== 'SCAN') return null;
        return [{ error: 'NOPERM this user may not SCAN' }];
      },
    });
    const { run, manifest } = await bench.take({ redis });
    expect(run).toMatchObject({ state: 'failed', error: { code: 'redis-denied' } });
    expect(manifest).toBeNull();
  });
});

/** A database with one more key, `doc` of type JSON, which Debian's Redis does not have. */
function jsonAware(bench: SnapshotBench, get: () => Buffer) {
  return intercept(bench.port, {
    async before(commands) {
      const at = commands.findIndex(([name]) => name === 'JSON.GET');
      if (at < 0) return null;
      const document = get();
      const expiry = commands.findIndex(([name, key]) => name === 'PEXPIRETIME' && String(key) === 'doc');
      const others = commands.filter((_, index) => index !== at && index !== expiry);
      const replies = others.length > 0 ? await bench.port.transaction(others) : [];
      let next = 0;
      return commands.map((_, index) => {
        if (index === at) return { value: document };
        return index === expiry ? { value: 4_102_444_800_000 } : (replies[next++] ?? { error: 'no reply' });
      });
    },
    after(commands, replies) {
      const [reply] = replies;
      if (commands[0]?.[0] !== 'SCAN' || reply === undefined || !('value' in reply)) return replies;
      const [cursor, flat] = reply.value as [Buffer, Buffer[]];
      return [{ value: [cursor, [Buffer.from('doc'), Buffer.from('ReJSON-RL'), ...flat]] }];
    },
  });
}
