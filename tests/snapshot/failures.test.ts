import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { setTimeout } from 'node:timers/promises';
import { AppError } from '../../lib/errors.js';
import type { CreateResult } from '../../lib/ports/store.js';
import { openSink } from '../../lib/snapshot/scan/sink.js';
import type { RedisReply, RedisPort } from '../../lib/ports/redis.js';
import { latestIn, selectedIn } from '../support/trust.js';
import { openSnapshotBench, type SnapshotBench } from '../support/snapshot-bench.js';
import { intercept, tooLarge, type Hooks } from './intercept.js';
import { recordsByKey } from './lines.js';
import { ageEncryptor } from '../../lib/crypto/age.js';
import { describeEngines } from '../support/describe-engines.js';
import { systemClock } from '../../lib/services/clock.js';
import { upstashRedis } from '../../lib/services/upstash-redis/redis.js';
import { startUpstashRedis, type UpstashRedisStandIn } from '../../dev/upstash-redis/index.js';
import { generateX25519Identity, identityToRecipient } from 'age-encryption';
import { isUtf8 } from 'node:buffer';

const SECRET = 'a value that nobody may see';

describe('a part that the store refuses', () => {
  /** A store that refuses the first object of a part's index or name at once, and takes its time for the others. */
  async function storeOne(refuses: (name: string) => boolean, cuts: number) {
    let open = 0;
    const create = async (name: string): Promise<CreateResult> => {
      if (refuses(name)) throw new AppError('store-full', 'full', { hint: 'None.' });
      open += 1;
      await setTimeout(100);
      open -= 1;
      return { created: true, etag: 'x' };
    };
    const encryptor = ageEncryptor({ recipients: [], identity: null });
    const sink = openSink({ store: { create } as never, encryptor, snapshot: 'id', fence: 1, firstIndex: 0 });
    const store = async (): Promise<void> => {
      for (let times = 0; times < cuts; times++) await sink.cut(() => Promise.resolve());
      await sink.flush();
    };
    await expect(store()).rejects.toMatchObject({ code: 'store-full' });
    return open;
  }

  it.each([1, 3])('fails the run only after the other writes have ended: %d parts', async (cuts) => {
    const isIndexOfFirst = (name: string): boolean => name.includes('part-00000') && name.endsWith('.json');
    expect(await storeOne(isIndexOfFirst, cuts)).toBe(0);
  });
});

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

await describeEngines('keys of a type that no snapshot can hold', ({ name, program }) => {
  let bench: SnapshotBench;
  let type: string | null = null;
  beforeAll(async () => {
    bench = await openSnapshotBench({ program });
    const { redis } = bench.database;
    await redis.mset('a', '1', 'b', '2', 'c', '3');
    for (const key of ['v1', 'v2', 'v3', 'v4', 'v5', 'v6']) {
      const added = await redis.call('VADD', key, 'VALUES', '2', '0.1', '0.2', 'item').catch(() => null);
      if (added !== null) type = 'vectorset';
    }
  });
  afterAll(() => bench.stop());

  it('are reported, and make the snapshot incomplete unless their type is skipped', async () => {
    if (type === null) {
      // Vector sets came with Redis 8.
      expect(name).not.toMatch(/redis 8/i);
      return;
    }
    const { run, manifest } = await bench.take();
    expect(run).toMatchObject({ state: 'incomplete', result: { keys: 3, unsupported: 6, unexplained: 0 } });
    expect(run.error?.message).toBe('6 keys of type vectorset that no snapshot can hold');
    expect(manifest?.ledger.unsupported).toMatchObject({ count: 6, types: { vectorset: 6 } });
    expect(manifest?.ledger.unsupported.keys.map(({ key }) => key).sort()).toEqual([
      'v1',
      'v2',
      'v3',
      'v4',
      'v5',
      'v6',
    ]);

    const { manifest: accepted } = await bench.takeWhole({ settings: { skipTypes: ['vectorset'] } });
    expect(accepted.ledger.unsupported.count).toBe(6);
  });

  it('keep their names encrypted where parts are', async () => {
    if (type === null) return;
    const identity = await generateX25519Identity();
    const recipients = [await identityToRecipient(identity)];
    const { manifest } = await bench.take({ encryptor: ageEncryptor({ recipients, identity: null }) });
    const { keys } = manifest?.ledger.unsupported ?? { keys: [] };
    expect(keys.map(({ key }) => Object.keys(key))).toEqual(Array.from({ length: 6 }, () => ['age']));
  });
});

/** What docs/operations.md names for a backup; COMMAND is for the stand-in alone. */
const DOCUMENTED = '+@read +ping +info +time +eval +eval_ro +multi +exec';
const ODD = Buffer.from([0xff, 0xfe, 0x00]);

await describeEngines('a name that is not UTF-8, under an ACL', ({ fieldExpiry, program }) => {
  let bench: SnapshotBench;
  const servers: UpstashRedisStandIn[] = [];
  beforeAll(async () => {
    bench = await openSnapshotBench({ program });
    const { redis } = bench.database;
    for (let at = 0; at < 50; at++) await redis.set(`key:${at}`, 'v');
    await redis.set(ODD, 'odd');
    await redis.call('PEXPIREAT', ODD, '9223372036854775806');
    await redis.xadd(Buffer.from([0xff, 1]), '1-1', 'f', 'v');
  });
  afterAll(async () => {
    for (const server of servers) await server.stop();
    await bench.stop();
  });

  async function as(user: string, rights: string): Promise<RedisPort> {
    await bench.database.redis.call('ACL', 'SETUSER', user, 'on', '>secret', '%R~*', '+command', ...rights.split(' '));
    const redisUrl = `${bench.database.url}?username=${user}&password=secret`;
    const server = await startUpstashRedis({ redisUrl, token: 'test' });
    servers.push(server);
    return upstashRedis({ url: server.url, token: 'test', clock: systemClock() });
  }

  it.each([
    ['all that is documented', DOCUMENTED],
    ['EVAL alone, as it was documented', DOCUMENTED.replace('+eval_ro ', '')],
  ])('is read with %s', async (_case, rights) => {
    const redis = await as(`user${servers.length}`, rights);
    const { manifest, id } = await bench.takeWhole({ redis });
    expect(manifest.counts.keys).toBe(52);
    expect(await bench.compare(id)).toMatchObject({ onlyInRedis: 0, onlyInSnapshot: 0 });
  });

  (fieldExpiry ? it : it.skip)('fails when fields expire and the token may not read their expiry', async () => {
    const redis = await as('fields', `${DOCUMENTED} -hpexpiretime`);
    const { run: none } = await bench.take({ redis });
    expect(none.state).toBe('succeeded');
    await bench.database.redis.hset('hash', 'f', 'v');
    await bench.database.redis.call('HPEXPIREAT', 'hash', '4102444800000', 'FIELDS', '1', 'f');
    const { run } = await bench.take({ redis });
    expect(run).toMatchObject({ state: 'failed', error: { code: 'redis-denied' } });
    expect(run.error?.hint).toContain('HPEXPIRETIME');
    await bench.database.redis.del('hash');
  });

  (fieldExpiry ? it : it.skip)("reads the expiry of fields beside a client's key of any name", async () => {
    await bench.database.redis.set('soulcaster-backup:no-such-key', 'v');
    await bench.database.redis.hset('hash', 'f', 'v');
    await bench.database.redis.call('HPEXPIREAT', 'hash', '4102444800000', 'FIELDS', '1', 'f');
    const { manifest } = await bench.takeWhole();
    expect(manifest.fieldExpiry).toBe('read');
    await bench.database.redis.del('hash', 'soulcaster-backup:no-such-key');
  });

  it('is the only key reported as failed where scripts are not allowed', async () => {
    // The stand-in itself scans by a script, so that its user cannot be without the right.
    const denied = new AppError('redis-denied', 'NOPERM', { hint: 'None.' });
    const redis = intercept(await as('none', DOCUMENTED), {
      before(commands) {
        if (commands.flat().some((argument) => Buffer.isBuffer(argument) && !isUtf8(argument))) throw denied;
        return null;
      },
    });
    const { run, manifest } = await bench.take({ redis });
    expect(run.state).toBe('incomplete');
    expect(manifest?.counts.keys).toBe(50);
    expect(manifest?.ledger.failed.keys.map(({ reason }) => reason)).toEqual([
      'a name that is not UTF-8: NOPERM',
      'a name that is not UTF-8: NOPERM',
    ]);
  });
});
