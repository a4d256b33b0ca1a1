import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from '@jest/globals';
import { AppError } from '../../lib/errors.js';
import { runSummary } from '../../lib/runs/summary.js';
import { systemClock } from '../../lib/services/clock.js';
import { upstashRedis } from '../../lib/services/upstash-redis/redis.js';
import { startUpstashRedis, type UpstashRedisStandIn } from '../../dev/upstash-redis/index.js';
import type { RedisPort } from '../../lib/ports/redis.js';
import { drills, drillSchema } from '../../lib/restore/drill/record.js';
import { startDrill } from '../../lib/restore/drill/run.js';
import { SCRATCH_MARK } from '../../lib/restore/target.js';
import type { RunRecord } from '../../lib/runs/model.js';
import { partName } from '../../lib/snapshot/names.js';
import { UNSIGNED } from '../support/made-snapshots.js';
import { dumpOf } from '../support/dumps.js';
import { describeEngines } from '../support/describe-engines.js';
import { NOW, openRestoreBench, type RestoreBench } from '../support/restore-bench.js';
import { startTestDatabase, type TestDatabase } from '../support/test-database.js';

await describeEngines('a drill', ({ program }) => {
  let bench: RestoreBench;
  let scratch: TestDatabase;
  let server: UpstashRedisStandIn;
  let port: RedisPort;

  beforeAll(async () => {
    bench = await openRestoreBench({ program });
    scratch = await startTestDatabase(program);
    server = await startUpstashRedis({ redisUrl: scratch.url, token: 'scratch' });
    port = upstashRedis({ url: server.url, token: 'scratch', clock: systemClock() });
  });
  afterAll(async () => {
    await server.stop();
    await scratch.stop();
    await bench.stop();
  });

  beforeEach(async () => {
    const { redis } = bench.database;
    await redis.mset(Object.fromEntries(Array.from({ length: 200 }, (_, n) => [`key:${n}`, `value ${n}`])));
    await redis.hset('project:p1', { id: 'p1', user_id: 'u1' });
    await redis.set('brief', 'value', 'PXAT', NOW + 86_400_000);
  });
  afterEach(async () => {
    await bench.database.redis.flushall();
    await scratch.redis.flushall();
  });

  async function drill(
    targets: Readonly<Record<string, RedisPort>> = { drill: port },
    more: { readonly interrupt?: AbortSignal } = {},
  ): Promise<RunRecord> {
    bench.clock.advance(1000);
    const parts = { targets, ...more };
    const started = await startDrill(
      { clock: bench.clock, redisOf: () => bench.port, signer: UNSIGNED, store: bench.folder.store },
      bench.engine(parts),
    );
    if (!started.started) throw new Error(`held by ${started.holder}`);
    return bench.work(started.run.id, parts);
  }

  async function lastRecord() {
    for await (const record of drills(bench.folder.store, null)) return record;
    throw new Error('no record');
  }

  /** The scratch port, with something done to its database after every transaction. */
  function meddled(meddle: () => Promise<unknown>): RedisPort {
    return {
      ...port,
      host: port.host,
      async transaction(commands) {
        const replies = await port.transaction(commands);
        await meddle();
        return replies;
      },
    };
  }

  it('passes with a good snapshot: measured, wiped again, and the database untouched', async () => {
    const { id } = await bench.snapshot();
    const before = await bench.dump();
    const writes = bench.writes();
    const run = await drill();
    expect(run).toMatchObject({
      state: 'succeeded',
      error: null,
      result: { outcome: 'passed', snapshot: id, keys: 202 },
    });
    expect(run.result).toMatchObject({ restore: { proof: { total: { equal: 202, missing: 0, different: 0 } } } });
    const record = await lastRecord();
    expect(record).toMatchObject({ outcome: 'passed', reason: null, milliseconds: expect.any(Number) });
    const { milliseconds, restoredMilliseconds, restoredAt, provenAt } = drillSchema.parse(record);
    expect(restoredMilliseconds).toBeLessThanOrEqual(milliseconds ?? 0);
    expect(Date.parse(restoredAt ?? '')).toBeLessThanOrEqual(Date.parse(provenAt ?? ''));
    expect(run.result).toMatchObject({ restore: { restoredAt, provenAt, restoredMilliseconds } });
    expect([await bench.dump(), bench.writes()]).toEqual([before, writes]);
    expect(await dumpOf(scratch.url)).toEqual({});
  });

  it('is inconclusive without a scratch database, and without a snapshot', async () => {
    expect((await drill({})).result).toMatchObject({ outcome: 'inconclusive' });
    await bench.snapshot();
    const run = await drill({});
    expect(run).toMatchObject({ state: 'incomplete', error: { code: 'incomplete' } });
    expect(await lastRecord()).toMatchObject({ outcome: 'inconclusive', milliseconds: null });
  });

  it('never writes to the protected database, under any name', async () => {
    await bench.snapshot();
    const other = await startUpstashRedis({ redisUrl: bench.database.url, token: 'same' });
    const alias = upstashRedis({ url: other.url, token: 'same', clock: systemClock() });
    try {
      const writes = bench.writes();
      for (const same of [alias, bench.port]) {
        expect((await drill({ drill: same })).result).toMatchObject({ outcome: 'inconclusive' });
      }
      const reason = String(((await drill({ drill: alias })).result as { reason?: unknown }).reason);
      expect(reason).toContain('it may be the protected database by another name');
      expect(reason).toContain('npx soulcaster-backup doctor');
      expect(reason).not.toContain('empty it first');
      await bench.database.redis.flushall();
      expect((await drill({ drill: alias })).result).toMatchObject({ outcome: 'inconclusive' });
      await bench.database.redis.set(SCRATCH_MARK, '1');
      expect((await drill({ drill: alias })).result).toMatchObject({ outcome: 'inconclusive' });
      expect([other.writeCommandCount(), bench.writes()]).toEqual([0, writes]);
    } finally {
      await other.stop();
    }
  });

  it('leaves a database with data of unknown origin alone, and cleans up after a drill that died', async () => {
    await bench.snapshot();
    await scratch.redis.set('somebodys', 'data');
    expect((await drill()).result).toMatchObject({
      outcome: 'inconclusive',
      reason: expect.stringMatching(/1 keys.*: empty it first$/),
    });
    expect(await scratch.redis.get('somebodys')).toBe('data');
    await scratch.redis.set(SCRATCH_MARK, '1');
    expect((await drill()).result).toMatchObject({ outcome: 'passed' });
    expect(await dumpOf(scratch.url)).toEqual({});
  });

  it('that broke off names the command that empties the scratch database, and the next drill empties it', async () => {
    await bench.snapshot();
    const stop = new AbortController();
    const interrupted = new AppError('interrupted', 'told to stop', { hint: 'None.' });
    const target = meddled(async () => {
      if ((await scratch.redis.dbsize()) > 1) stop.abort(interrupted);
    });
    const run = await drill({ drill: target }, { interrupt: stop.signal });
    expect(run).toMatchObject({ state: 'failed', error: { code: 'interrupted' } });
    expect(run.error?.hint).toContain('empties it: `npx soulcaster-backup drill --env-file .env`');
    expect(await scratch.redis.dbsize()).toBeGreaterThan(1);
    expect(runSummary({ ...run, state: 'running' }).ifCancelled).toContain('scratch database');
    expect((await drill()).result).toMatchObject({ outcome: 'passed' });
    expect(await dumpOf(scratch.url)).toEqual({});
  });

  it('never wipes restored data, even in a database that a dead drill left marked', async () => {
    const { id } = await bench.snapshot();
    await scratch.redis.set(SCRATCH_MARK, '1');
    const restored = await bench.restore(id, { target: 'drill', safety: false }, { targets: { drill: port } });
    expect(restored).toMatchObject({ state: 'succeeded' });
    const data = await dumpOf(scratch.url);
    expect(Object.keys(data)).toHaveLength(202);
    expect((await drill()).result).toMatchObject({ outcome: 'inconclusive' });
    expect(await dumpOf(scratch.url)).toEqual(data);
  });

  it.each([
    ['a key that goes missing', () => scratch.redis.del('key:7'), 'missing'],
    ['an expiry that is gone', () => scratch.redis.persist('brief'), 'different'],
    ['an expiry that is another', () => scratch.redis.pexpireat('brief', NOW + 90_000_000), 'different'],
  ])('fails over %s, and names it', async (_, meddle, verdict) => {
    await bench.snapshot();
    const run = await drill({ drill: meddled(meddle) });
    expect(run).toMatchObject({ state: 'failed', error: { code: 'not-proven' }, result: { outcome: 'failed' } });
    const key = verdict === 'missing' ? 'key:7' : 'brief';
    expect(run.result).toMatchObject({ restore: { proof: { examples: [{ verdict, key }] } } });
    expect(await dumpOf(scratch.url)).toEqual({});
  });

  it('uses an earlier snapshot when the listing shows that the newest lacks a part', async () => {
    const before = await bench.snapshot();
    const { id, parts } = await bench.snapshot();
    await bench.folder.store.remove(partName(id, parts[0]?.name ?? ''));
    expect(await drill()).toMatchObject({ state: 'succeeded', result: { outcome: 'passed', snapshot: before.id } });
  });

  it('fails over a part that is corrupt, and names it', async () => {
    const { id, parts } = await bench.snapshot();
    const name = partName(id, parts[0]?.name ?? '');
    await flipByte(join(bench.folder.folder, name));
    const run = await drill();
    expect(run).toMatchObject({ state: 'failed', error: { code: 'damaged' }, result: { outcome: 'failed' } });
    expect((await lastRecord()).reason).toContain(name);
  });
});

async function flipByte(file: string): Promise<void> {
  const bytes = await readFile(file);
  const middle = Math.floor(bytes.length / 2);
  bytes[middle] = (bytes[middle] ?? 0) ^ 1;
  await writeFile(file, bytes);
}

it('a drill of a snapshot without keys is inconclusive: it would prove nothing', async () => {
  const bench = await openRestoreBench();
  const scratch = await startTestDatabase();
  const server = await startUpstashRedis({ redisUrl: scratch.url, token: 'scratch' });
  try {
    const { id } = await bench.snapshot();
    await bench.database.redis.set('a', '1');
    bench.clock.advance(1000);
    const parts = { targets: { drill: upstashRedis({ url: server.url, token: 'scratch', clock: systemClock() }) } };
    const ports = { clock: bench.clock, redisOf: () => bench.port, signer: UNSIGNED, store: bench.folder.store };
    const started = await startDrill(ports, bench.engine(parts));
    if (!started.started) throw new Error(`held by ${started.holder}`);
    const run = await bench.work(started.run.id, parts);
    expect(run).toMatchObject({ state: 'incomplete', result: { outcome: 'inconclusive', snapshot: id } });
    expect(run.error?.message).toContain('holds no key');
  } finally {
    await server.stop();
    await scratch.stop();
    await bench.stop();
  }
});
