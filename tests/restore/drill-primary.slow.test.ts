import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { systemClock } from '../../lib/services/clock.js';
import { upstashRedis } from '../../lib/services/upstash-redis/redis.js';
import { startUpstashRedis, type UpstashRedisStandIn } from '../../dev/upstash-redis/index.js';
import type { RedisPort } from '../../lib/ports/redis.js';
import { startDrill } from '../../lib/restore/drill/run.js';
import { SCRATCH_MARK } from '../../lib/restore/target.js';
import type { RunRecord } from '../../lib/runs/model.js';
import { UNSIGNED } from '../support/made-snapshots.js';
import fc, { cases } from '../support/fast-check.js';
import { openRestoreBench, type RestoreBench } from '../support/restore-bench.js';
import { startTestDatabase, type TestDatabase } from '../support/test-database.js';

let bench: RestoreBench;
let other: TestDatabase;
let servers: { readonly alias: UpstashRedisStandIn; readonly other: UpstashRedisStandIn };
let ports: { readonly alias: RedisPort; readonly other: RedisPort };

beforeAll(async () => {
  bench = await openRestoreBench();
  other = await startTestDatabase();
  servers = {
    alias: await startUpstashRedis({ redisUrl: bench.database.url, token: 'test' }),
    other: await startUpstashRedis({ redisUrl: other.url, token: 'test' }),
  };
  const clock = systemClock();
  ports = {
    alias: upstashRedis({ url: servers.alias.url, token: 'test', clock }),
    other: upstashRedis({ url: servers.other.url, token: 'test', clock }),
  };
  await bench.database.redis.mset({ a: '1', b: '2', 'project:p1:x': '3' });
  await bench.snapshot();
});
afterAll(async () => {
  await Promise.all([servers.alias.stop(), servers.other.stop()]);
  await other.stop();
  await bench.stop();
});
afterEach(() => bench.database.redis.flushall());

async function drill(target: RedisPort, inline = 2): Promise<RunRecord> {
  bench.clock.advance(1000);
  const parts = { targets: { drill: target }, inline };
  const started = await startDrill(
    { clock: bench.clock, redisOf: () => bench.port, signer: UNSIGNED, store: bench.folder.store },
    bench.engine(parts),
  );
  if (!started.started) throw new Error(`held by ${started.holder}`);
  return bench.work(started.run.id, parts);
}

/** A scratch database that becomes the protected one when it is looked at for the mark the nth time, as each phase begins. */
function leadingElsewhere(looks: number): RedisPort {
  let seen = 0;
  const port = (): RedisPort => (seen > looks ? ports.alias : ports.other);
  return {
    host: ports.other.host,
    pipeline(commands) {
      if (commands.some(([name, key]) => name === 'EXISTS' && key === SCRATCH_MARK)) seen += 1;
      return port().pipeline(commands);
    },
    transaction: (commands) => port().transaction(commands),
    usage: () => ports.other.usage(),
  };
}

/** What DRILL_REDIS_REST_URL may lead to, and what may stand there. */
const configuration = fc.record({
  leadsTo: fc.constantFrom('the same host', 'another name of the database', 'another database'),
  keys: fc.constantFrom('none', 'some'),
  marked: fc.boolean(),
  otherKeys: fc.constantFrom('none', 'some'),
  otherMarked: fc.boolean(),
});

describe('the protected database', () => {
  it('is never written to by a drill, whatever the configuration', async () => {
    await fc.assert(
      fc.asyncProperty(configuration, async ({ leadsTo, keys, marked, otherKeys, otherMarked }) => {
        const { redis } = bench.database;
        await Promise.all([redis.flushall(), other.redis.flushall()]);
        if (keys === 'some') await redis.mset({ a: '1', 'project:p1:x': '3' });
        if (marked) await redis.set(SCRATCH_MARK, '1');
        if (otherKeys === 'some') await other.redis.set('somebodys', 'data');
        if (otherMarked) await other.redis.set(SCRATCH_MARK, '1');
        const target = { 'the same host': bench.port, 'another name of the database': ports.alias };
        const before = await bench.dump();
        const written = [bench.writes(), servers.alias.writeCommandCount()];
        const run = await drill(leadsTo === 'another database' ? ports.other : target[leadsTo]);
        expect([bench.writes(), servers.alias.writeCommandCount()]).toEqual(written);
        expect(await bench.dump()).toEqual(before);
        const mayBe =
          leadsTo === 'another database' && !marked && (otherMarked || (otherKeys === 'none' && keys === 'some'));
        expect(run.result).toMatchObject({ outcome: mayBe ? 'passed' : 'inconclusive' });
        if (!mayBe && otherKeys === 'some') expect(await other.redis.get('somebodys')).toBe('data');
      }),
      { numRuns: cases(60) },
    );
  });

  it('is not written to when the variables point to it from any phase of a drill on', async () => {
    let outcome = '';
    for (let phases = 1; outcome !== 'passed'; phases++) {
      await bench.database.redis.mset({ a: '1', b: '2' });
      await other.redis.flushall();
      const before = await bench.dump();
      const written = servers.alias.writeCommandCount();
      const run = await drill(leadingElsewhere(phases), 1);
      outcome = run.state === 'succeeded' ? 'passed' : (run.error?.code ?? '');
      expect(['passed', 'config', 'incomplete']).toContain(outcome);
      expect(servers.alias.writeCommandCount()).toBe(written);
      expect(await bench.dump()).toEqual(before);
    }
  });

  it('is recognized even when it is written to or emptied between two reads', async () => {
    for (const meddle of [() => bench.database.redis.set('new', '1'), () => bench.database.redis.flushall()]) {
      await bench.database.redis.flushall();
      await (meddle.length === 0 ? bench.database.redis.set('old', '1') : Promise.resolve());
      const written = servers.alias.writeCommandCount();
      const meddled: RedisPort = {
        ...ports.alias,
        host: ports.alias.host,
        async pipeline(commands) {
          if (commands.some(([name]) => name === 'DBSIZE')) await meddle();
          return ports.alias.pipeline(commands);
        },
      };
      expect((await drill(meddled)).result).toMatchObject({ outcome: 'inconclusive' });
      expect(servers.alias.writeCommandCount()).toBe(written);
    }
  });
});
