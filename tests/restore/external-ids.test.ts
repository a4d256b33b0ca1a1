import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { intercept } from '../snapshot/intercept.js';
import { changes, only, type Dump } from '../support/dumps.js';
import { openRestoreBench, type RestoreBench } from '../support/restore-bench.js';

const noLocks = (dump: Dump): Dump => only(dump, (key) => !key.startsWith('cluster:lock:'));
const ITEMS = Array.from({ length: 30 }, (_, at) => `item-${at}`);
const externalOf = (item: string): string => `feedback:external:p:github:acme/api#${item}`;
/** Points to an item that is nowhere. */
const DANGLING = externalOf('nowhere');

/** As the application adds items. */
async function ingest(bench: RestoreBench, items: readonly string[]): Promise<void> {
  const pipeline = bench.database.redis.pipeline();
  for (const [at, id] of items.entries()) {
    pipeline.hset(`feedback:p:${id}`, { id, project_id: 'p', source: 'github', external_id: `acme/api#${id}` });
    pipeline.zadd('feedback:created:p', at, id);
    pipeline.zadd('feedback:source:p:github', at, id);
    pipeline.sadd('feedback:unclustered:p', id);
    pipeline.set(externalOf(id), id);
  }
  await pipeline.exec();
}

describe.each(['merge', 'missing'] as const)('keys of external ids without their items, mode %s', (mode) => {
  let bench: RestoreBench;
  let snapshot = '';
  let whole: Dump = {};
  beforeAll(async () => {
    bench = await openRestoreBench();
    const { redis } = bench.database;
    for (const item of ITEMS) await redis.set(externalOf(item), item);
    await redis.set(DANGLING, 'nowhere');
    await redis.hset('project:p', { id: 'p' });
    snapshot = (await bench.snapshot()).id;
  });
  afterAll(() => bench.stop());
  beforeEach(async () => {
    const { redis } = bench.database;
    await redis.flushall();
    await ingest(bench, ITEMS);
    await redis.hset('project:p', { id: 'p' });
    whole = await bench.dump();
    await redis.del(...ITEMS.map(externalOf));
  });

  it('come back where the database has the items; the others are left out, and the plan and the report say so', async () => {
    const dangling = { count: 1, names: [DANGLING] };
    const plan = { total: { write: 30, same: 1 }, dangling };
    expect(await bench.restore(snapshot, { mode, dryRun: true })).toMatchObject({ result: { plan } });
    const run = await bench.restore(snapshot, { mode });
    expect(run).toMatchObject({
      state: 'succeeded',
      result: { plan, written: { written: 30 }, proof: { total: { equal: 31, missing: 0, different: 0 } } },
    });
    expect(changes(whole, noLocks(await bench.dump()))).toEqual([]);
  });

  it('are written as the plan has it, whatever becomes of the items meanwhile', async () => {
    const { redis } = bench.database;
    let isLocked = false;
    const port = intercept(bench.port, {
      before: async (commands) => {
        if (!isLocked && commands.some(([, key]) => String(key) === 'cluster:lock:p')) {
          isLocked = true;
          await redis.del('feedback:p:item-0', 'feedback:p:item-7');
          await redis.hset('feedback:p:nowhere', 'id', 'nowhere');
        }
        return null;
      },
    });
    const run = await bench.restore(snapshot, { mode }, { redis: port });
    expect(isLocked).toBe(true);
    expect(run).toMatchObject({ result: { proof: { total: { equal: 31, missing: 0, different: 0 } } } });
    expect(await redis.exists(...ITEMS.map(externalOf))).toBe(30);
    expect(await redis.exists(DANGLING)).toBe(0);
  });

  it('are all left out of an empty database, but for the rest of the snapshot', async () => {
    await bench.database.redis.flushall();
    const run = await bench.restore(snapshot, { mode });
    expect(run).toMatchObject({ result: { plan: { total: { write: 1 }, dangling: { count: 31 } } } });
    expect(Object.keys(noLocks(await bench.dump()))).toEqual(['project:p']);
  });
});

describe('the key of an external id that named no item', () => {
  let bench: RestoreBench;
  beforeAll(async () => {
    bench = await openRestoreBench();
  });
  afterAll(() => bench.stop());

  it.each([
    ['replace', 'an-item-deleted-since'],
    ['merge', ''],
    ['replace', '"item-0"'],
  ] as const)('is as it was after the undo of a restore of the item: mode %s, value %j', async (mode, value) => {
    const { redis } = bench.database;
    await redis.flushall();
    await ingest(bench, ITEMS.slice(0, 3));
    const { id } = await bench.snapshot();
    await redis.set(externalOf('item-0'), value);
    const before = await bench.dump();
    const run = await bench.restore(id, { mode, scope: { items: [{ project: 'p', id: 'item-0' }] } });
    expect(await redis.get(externalOf('item-0'))).toBe('item-0');
    for (const way of ['replace', 'merge'] as const) {
      const undone = await bench.restore(run.id, { settle: null, mode: way });
      expect(undone).toMatchObject({ state: 'succeeded', input: { undoes: true } });
      expect(changes(before, noLocks(await bench.dump()))).toEqual([]);
    }
  });
});
