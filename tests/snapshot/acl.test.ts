import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { isUtf8 } from 'node:buffer';
import { systemClock } from '../../lib/services/clock.js';
import { upstashRedis } from '../../lib/services/upstash-redis/redis.js';
import { AppError } from '../../lib/errors.js';
import { startUpstashRedis, type UpstashRedisStandIn } from '../../dev/upstash-redis/index.js';
import type { RedisPort } from '../../lib/ports/redis.js';
import { describeEngines } from '../support/describe-engines.js';
import { openSnapshotBench, type SnapshotBench } from '../support/snapshot-bench.js';
import { intercept } from './intercept.js';

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
