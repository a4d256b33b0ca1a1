import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { RunRecord } from '../../lib/runs/model.js';
import { changes } from '../support/dumps.js';
import { presentEngines } from '../support/engines.js';
import { openRestoreBench, type RestoreBench } from '../support/restore-bench.js';
import { startSnapshot } from '../../lib/snapshot/run.js';
import { sha256 } from '../../lib/snapshot/manifest.js';
import { startUpstashRedis } from '../../dev/upstash-redis/index.js';
import { startDrill } from '../../lib/restore/drill/run.js';
import { systemClock } from '../../lib/services/clock.js';
import { upstashRedis } from '../../lib/services/upstash-redis/redis.js';
import { makeSnapshot, UNSIGNED } from '../support/made-snapshots.js';
import { startTestDatabase } from '../support/test-database.js';
import type { RecordLine } from '../../lib/snapshot/record.js';

const FAR = 4_102_444_800_000;

describe('a target that lacks what the snapshot needs', () => {
  let bench: RestoreBench;
  beforeAll(async () => {
    bench = await openRestoreBench();
  });
  afterAll(() => bench.stop());
  beforeEach(() => bench.database.redis.flushall());

  const others: RecordLine[] = Array.from({ length: 50 }, (_, at) => ({ k: `other:${at}`, t: 'string', v: 'x' }));
  const expiring: RecordLine = { k: 'expiring', t: 'hash', v: [['f', '1']], fx: [['f', FAR]] };
  const document: RecordLine = { k: 'document', t: 'json', v: '{"a":1}' };

  function handMade(lines: readonly RecordLine[]): Promise<string> {
    bench.clock.advance(1000);
    const at = new Date(bench.clock.now()).toISOString();
    return makeSnapshot(bench.folder.store, { at, lines, source: sha256(bench.port.host) });
  }

  async function refused(lines: readonly RecordLine[], ask: object = {}): Promise<[dry: RunRecord, run: RunRecord]> {
    const id = await handMade(lines);
    const [before, writes] = [await bench.dump(), bench.writes()];
    const dry = await bench.restore(id, { ...ask, dryRun: true });
    const run = await bench.restore(id, ask);
    expect(bench.writes()).toBe(writes);
    expect(changes(before, await bench.dump())).toEqual([]);
    expect(dry.error).toEqual(run.error);
    expect([dry.state, run.state]).toEqual(['failed', 'failed']);
    return [dry, run];
  }

  it.each([false, true])(
    'is refused before the first write, for one field that expires (target in use: %s)',
    async (used) => {
      if (used) await bench.database.redis.mset('other:1', 'x', 'stranger', 'y');
      const [dry, run] = await refused([...others, expiring]);
      expect(run.error).toMatchObject({
        code: 'not-restorable',
        message: expect.stringMatching(/HPEXPIREAT.*1 key.*"expiring".*Nothing was written/),
      });
      expect(run.error?.hint).toContain('--ttl drop');
      expect(dry.result).toMatchObject({ plan: { lacks: [{ code: 'field-expiry', count: 1, names: ['expiring'] }] } });
    },
  );

  it('takes the same snapshot with rule drop', async () => {
    const id = await handMade([...others, expiring]);
    expect(await bench.restore(id, { expiry: 'drop' })).toMatchObject({ state: 'succeeded', error: null });
    expect(await bench.database.redis.hgetall('expiring')).toEqual({ f: '1' });
  });

  it.each([false, true])(
    'is refused before the first write, for one JSON document (target in use: %s)',
    async (used) => {
      if (used) await bench.database.redis.mset('other:1', 'x', 'document', 'no JSON');
      const [, run] = await refused([...others, document]);
      expect(run.error).toMatchObject({
        code: 'not-restorable',
        message: expect.stringMatching(/JSON.*1 key.*"document"/),
      });
      expect(run.error?.hint).not.toContain('--ttl');
      expect(run.error?.hint).toContain('--target');
    },
  );

  it('makes a drill inconclusive, with a hint that fits one', async () => {
    const id = await handMade([...others, expiring]);
    const scratch = await startTestDatabase();
    const server = await startUpstashRedis({ redisUrl: scratch.url, token: 'scratch' });
    try {
      await bench.database.redis.set('other:1', 'x');
      const targets = { drill: upstashRedis({ url: server.url, token: 'scratch', clock: systemClock() }) };
      const context = { clock: bench.clock, redisOf: () => bench.port, signer: UNSIGNED, store: bench.folder.store };
      const started = await startDrill(context, bench.engine({ targets }));
      const run = await bench.work(started.started ? started.run.id : '', { targets });
      expect(run).toMatchObject({
        state: 'incomplete',
        error: { code: 'incomplete', message: expect.stringMatching(/inconclusive.*scratch database.*HPEXPIREAT/) },
        result: { outcome: 'inconclusive', snapshot: id, milliseconds: null },
      });
      expect(run.error?.message).toContain('DRILL_REDIS_REST_URL');
      expect(JSON.stringify(run.error)).not.toMatch(/--ttl|--target/);
      expect(await scratch.redis.dbsize()).toBe(0);
    } finally {
      await server.stop();
      await scratch.stop();
    }
  });

  it('names everything that is lacking', async () => {
    const [, run] = await refused([expiring, document]);
    expect(run.error?.message).toMatch(/JSON.*HPEXPIREAT|HPEXPIREAT.*JSON/);
  });

  it('is accepted when no key to write needs the ability', async () => {
    const id = await handMade([...others, document]);
    await bench.database.redis.set('document', 'kept');
    expect(await bench.restore(id, { mode: 'missing' })).toMatchObject({ state: 'succeeded', error: null });
    expect(await bench.database.redis.get('document')).toBe('kept');
  });
});

const vectorSets = (await presentEngines()).filter(({ name }) => name === 'redis 8');

describe.each(vectorSets)('a key in the target that no snapshot can hold, $name', ({ program }) => {
  let bench: RestoreBench;
  let snapshot = '';
  beforeAll(async () => {
    bench = await openRestoreBench({ program });
  });
  afterAll(() => bench.stop());
  beforeEach(async () => {
    const { redis } = bench.database;
    await redis.flushall();
    await redis.mset('a', '1', 'b', '2', 'c', '3');
    await redis.pexpireat('c', bench.clock.now() + 3_600_000);
    snapshot = (await bench.snapshot()).id;
    await redis.del('a', 'b', 'c');
    for (const key of ['a', 'c']) await redis.call('VADD', key, 'VALUES', 3, 1, 2, 3, 'elem');
    await redis.set('newer', 'x');
  });

  it('is named in the plan and left by the restore, which ends incomplete', async () => {
    const { redis } = bench.database;
    bench.clock.advance(2 * 3_600_000);
    const dry = await bench.restore(snapshot, { dryRun: true });
    expect(dry).toMatchObject({
      state: 'incomplete',
      error: { code: 'incomplete', message: expect.stringMatching(/\("(a", "c|c", "a)"\)/) },
    });
    expect(dry.result).toMatchObject({ plan: { total: { blocked: 2, write: 1, overwrite: 0, remove: 1 } } });
    const run = await bench.restore(snapshot);
    expect(run).toMatchObject({
      state: 'incomplete',
      error: { code: 'incomplete', message: expect.stringMatching(/\("(a", "c|c", "a)"\)/) },
    });
    expect(run.result).toMatchObject({
      plan: { total: { blocked: 2 } },
      proof: { total: { blocked: 2, equal: 1, different: 0 } },
    });
    expect([await redis.type('a'), await redis.type('c'), await redis.get('b')]).toEqual([
      'vectorset',
      'vectorset',
      '2',
    ]);
    // The way back leaves them as well.
    expect(await bench.restore(run.id)).toMatchObject({ state: 'succeeded' });
    expect((await redis.keys('*')).sort()).toEqual(['a', 'c', 'newer']);
    expect(await redis.type('a')).toBe('vectorset');
  });

  it('is kept by mode missing, which need not save it', async () => {
    expect(await bench.restore(snapshot, { mode: 'missing' })).toMatchObject({
      state: 'succeeded',
      result: { plan: { total: { blocked: 0, keep: 2, write: 1 } } },
    });
  });

  it('is left by mode merge too, in place of a value or of a list of members', async () => {
    const { redis } = bench.database;
    await redis.flushall();
    await redis.zadd('feedback:created:p', 1, 'item');
    await redis.set('a', '1');
    await redis.set('b', '2');
    const { id } = await bench.snapshot();
    await redis.flushall();
    for (const key of ['a', 'feedback:created:p']) await redis.call('VADD', key, 'VALUES', 3, 1, 2, 3, 'elem');
    for (const dryRun of [true, false]) {
      expect(await bench.restore(id, { mode: 'merge', dryRun })).toMatchObject({
        state: 'incomplete',
        error: { code: 'incomplete', message: expect.stringContaining('"feedback:created:p"') },
        result: { plan: { total: { blocked: 2, overwrite: 0, write: 1 } } },
      });
    }
    expect([await redis.type('a'), await redis.type('feedback:created:p')]).toEqual(['vectorset', 'vectorset']);
    expect(await redis.get('b')).toBe('2');
  });

  it.each([
    ['merge', 'feedback:created:p', 'incomplete'],
    ['replace', 'feedback:created:p', 'incomplete'],
    ['missing', 'feedback:p:item', 'succeeded'],
  ] as const)('is told as what it is, and its faults are not called new: %s', async (mode, key, state) => {
    const { redis } = bench.database;
    await redis.flushall();
    await redis.hset('project:p', 'id', 'p');
    await redis.zadd('feedback:created:p', 1, 'item');
    await redis.hset('feedback:p:item', 'id', 'item');
    const { id } = await bench.snapshot();
    await redis.del(key);
    await redis.call('VADD', key, 'VALUES', 3, 1, 2, 3, 'elem');
    const dry = await bench.restore(id, { mode, dryRun: true });
    const run = await bench.restore(id, { mode });
    expect([dry.state, run.state]).toEqual([state, state]);
    if (state === 'incomplete') expect(run.error?.message).toContain(`could not be saved first and were left`);
    const { projects } = run.result as { projects: { violations: { rule: string; fresh: number }[] }[] };
    const found = projects.flatMap(({ violations }) => violations);
    expect(found).toContainEqual(expect.objectContaining({ rule: 'wrong-type', count: 1, before: 1 }));
    expect(found.filter(({ fresh }) => fresh > 0)).toEqual([]);
  });

  it.each([true, false])('does not make a snapshot unfit for mode replace, and stays (safety: %s)', async (safety) => {
    const { redis } = bench.database;
    await redis.flushall();
    await redis.mset('a', '1', 'b', '2');
    await redis.call('VADD', 'vectors', 'VALUES', 3, 1, 2, 3, 'elem');
    bench.clock.advance(1000);
    const started = await startSnapshot(bench.engine(), 'cli');
    const { id, state } = await bench.work(started.started ? started.run.id : '');
    expect(state).toBe('incomplete');
    await redis.del('a');
    await redis.set('newer', 'x');
    await redis.call('VADD', 'newer vectors', 'VALUES', 3, 1, 2, 3, 'elem');
    await expect(bench.start('latest')).rejects.toThrow();
    const run = await bench.restore(id, { safety });
    expect(run).toMatchObject({
      state: 'succeeded',
      error: null,
      result: { plan: { total: { write: 1, remove: 1 } } },
    });
    expect(run.result).toMatchObject({
      names: { snapshot: { unsaved: '1 key of type vectorset that no snapshot can hold' } },
    });
    expect((await redis.keys('*')).sort()).toEqual(['a', 'b', 'newer vectors', 'vectors']);
  });

  it('is overwritten without a safety snapshot', async () => {
    const run = await bench.restore(snapshot, { safety: false });
    expect(run).toMatchObject({ state: 'succeeded', result: { plan: { total: { blocked: 0, overwrite: 2 } } } });
    expect(await bench.database.redis.mget('a', 'b', 'c')).toEqual(['1', '2', '3']);
  });
});
