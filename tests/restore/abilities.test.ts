import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { RunRecord } from '../../lib/runs/model.js';
import { changes } from '../support/dumps.js';
import { presentEngines } from '../support/engines.js';
import { openRestoreBench, type RestoreBench } from '../support/restore-bench.js';
import { startSnapshot } from '../../lib/snapshot/run.js';
import { sha256 } from '../../lib/snapshot/manifest.js';
import { makeSnapshot } from '../support/made-snapshots.js';
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
    'is told before the first write, for one field that expires (target in use: %s)',
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

  it.each([false, true])('is told before the first write, for one JSON document (target in use: %s)', async (used) => {
    if (used) await bench.database.redis.mset('other:1', 'x', 'document', 'no JSON');
    const [, run] = await refused([...others, document]);
    expect(run.error).toMatchObject({
      code: 'not-restorable',
      message: expect.stringMatching(/JSON.*1 key.*"document"/),
    });
    expect(run.error?.hint).not.toContain('--ttl');
    expect(run.error?.hint).toContain('--target');
  });

  it('names all that is lacking', async () => {
    const [, run] = await refused([expiring, document]);
    expect(run.error?.message).toMatch(/JSON.*HPEXPIREAT|HPEXPIREAT.*JSON/);
  });

  it('is not needed for what is not written', async () => {
    const id = await handMade([...others, document]);
    await bench.database.redis.set('document', 'kept');
    expect(await bench.restore(id, { mode: 'missing' })).toMatchObject({ state: 'succeeded', error: null });
    expect(await bench.database.redis.get('document')).toBe('kept');
  });
});

const vectorSets = (await presentEngines()).filter(({ name }) => name === 'redis 8');

describe.each(vectorSets)('what is there now and no snapshot can hold, $name', ({ program }) => {
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

  it('is left, by name, in the plan and by the restore, which ends incomplete', async () => {
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

  it('is kept by mode missing, which has nothing to save of it', async () => {
    expect(await bench.restore(snapshot, { mode: 'missing' })).toMatchObject({
      state: 'succeeded',
      result: { plan: { total: { blocked: 0, keep: 2, write: 1 } } },
    });
  });

  it('is left by mode merge as well, be it a value or a list of members', async () => {
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

  it.each([true, false])('makes no snapshot unfit to replace by, and stays (safety: %s)', async (safety) => {
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

  it('is written over where nobody wants a way back', async () => {
    const run = await bench.restore(snapshot, { safety: false });
    expect(run).toMatchObject({ state: 'succeeded', result: { plan: { total: { blocked: 0, overwrite: 2 } } } });
    expect(await bench.database.redis.mget('a', 'b', 'c')).toEqual(['1', '2', '3']);
  });
});
