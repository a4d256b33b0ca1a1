import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { intercept, isAbout, once } from '../snapshot/intercept.js';
import { NOW, openRestoreBench, type RestoreBench } from '../support/restore-bench.js';
import { loadProjects, type Workspace } from './project-data.js';

/** Less than a lease lasts without a sign of life. */
const SOON = 10_000;

describe('lists of members that have another expiry', () => {
  let bench: RestoreBench;
  let data: Workspace;
  let snapshot = '';
  let created = '';
  let unclustered = '';
  beforeAll(async () => {
    bench = await openRestoreBench();
  });
  afterAll(() => bench.stop());
  beforeEach(async () => {
    data = await loadProjects(bench);
    created = `feedback:created:${data.project}`;
    unclustered = `feedback:unclustered:${data.project}`;
  });

  const expiryOf = (key: string): Promise<unknown> => bench.database.redis.call('PEXPIRETIME', key);
  /** One list expires and does not in the snapshot, the other the other way round. */
  const change = async (): Promise<void> => {
    const { redis } = bench.database;
    await redis.pexpireat(unclustered, NOW + 5e9);
    snapshot = (await bench.snapshot()).id;
    await redis.persist(unclustered);
    await redis.pexpireat(created, NOW + 1e9);
  };

  it.each([false, true])('get the snapshot’s expiry in mode merge (members missing: %s)', async (lack) => {
    const { redis } = bench.database;
    await change();
    if (lack) await redis.zrem(created, data.items[0] ?? '');
    if (lack) await redis.spop(unclustered);
    const added = lack ? 2 : 0;
    const dry = await bench.restore(snapshot, { mode: 'merge', dryRun: true });
    const run = await bench.restore(snapshot, { mode: 'merge' });
    expect(run).toMatchObject({ state: 'succeeded', error: null });
    expect(run.result).toMatchObject({ plan: (dry.result as { plan: object }).plan });
    expect(run.result).toMatchObject({ plan: { total: { unite: 2, keep: 0 }, lists: { added, expiry: 2 } } });
    expect([await expiryOf(created), await expiryOf(unclustered)]).toEqual([-1, NOW + 5e9]);
    expect(await redis.zcard(created)).toBe(data.items.length);
    const again = await bench.restore(snapshot, { mode: 'merge', dryRun: true });
    expect(again.result).toMatchObject({ plan: { total: { unite: 0, overwrite: 0 }, lists: { expiry: 0 } } });
  });

  it('keep theirs in mode missing, which reports it', async () => {
    await change();
    const dry = await bench.restore(snapshot, { mode: 'missing', dryRun: true });
    const run = await bench.restore(snapshot, { mode: 'missing' });
    expect(run).toMatchObject({ state: 'succeeded', error: null });
    expect(run.result).toMatchObject({ plan: (dry.result as { plan: object }).plan });
    expect(run.result).toMatchObject({ plan: { total: { unite: 0, keep: 2 } }, proof: { total: { kept: 2 } } });
    expect([await expiryOf(created), await expiryOf(unclustered)]).toEqual([NOW + 1e9, -1]);
  });

  it('are restored whole when they expire during the uniting', async () => {
    const { redis } = bench.database;
    await change();
    await redis.zrem(created, data.items[0] ?? '');
    const port = intercept(
      bench.port,
      once('PERSIST', created, () => redis.del(created)),
    );
    const run = await bench.restore(snapshot, { mode: 'merge' }, { redis: port });
    expect(run).toMatchObject({ state: 'succeeded', error: null });
    expect([await redis.zcard(created), await expiryOf(created)]).toEqual([data.items.length, -1]);
  });

  it('fail the proof when the expiry is not the snapshot’s', async () => {
    await change();
    const { redis } = bench.database;
    const port = intercept(bench.port, {
      after: async (commands, replies) => {
        if (commands.some((command) => isAbout(command, 'PERSIST', created))) await redis.pexpireat(created, NOW + 9e9);
        return replies;
      },
    });
    const run = await bench.restore(snapshot, { mode: 'merge' }, { redis: port });
    expect(run).toMatchObject({ state: 'failed', error: { code: 'not-proven' } });
    expect(run.result).toMatchObject({ proof: { examples: [{ key: created, difference: 'expiry' }] } });
  });

  it('keep theirs when single items are restored into them', async () => {
    await change();
    const { redis } = bench.database;
    const [id = ''] = data.items;
    for (const list of await redis.keys('feedback:*')) {
      const type = await redis.type(list);
      if (type === 'zset') await redis.zrem(list, id);
      if (type === 'set') await redis.srem(list, id);
    }
    const scope = { items: [{ project: data.project, id }] };
    const run = await bench.restore(snapshot, { scope });
    expect(run).toMatchObject({ state: 'succeeded', error: null });
    expect([await redis.zcard(created), await expiryOf(created)]).toEqual([data.items.length, NOW + 1e9]);
  });
  it.each(['theirs', 'the snapshot’s'])(
    'may expire during the proof against the safety snapshot: %s',
    async (whose) => {
      const { redis } = bench.database;
      const own = `cluster:${data.project}:later:items`;
      const key = whose === 'theirs' ? own : unclustered;
      if (whose === 'theirs') await redis.hset(`cluster:${data.project}:later`, 'id', 'later');
      else await redis.pexpireat(unclustered, bench.clock.now() + SOON);
      snapshot = (await bench.snapshot()).id;
      if (whose === 'theirs') await redis.sadd(own, 'later item');
      if (whose === 'theirs') await redis.pexpireat(own, bench.clock.now() + SOON);
      else await redis.persist(unclustered);
      let proving = false;
      const port = intercept(bench.port, {
        before: async (commands) => {
          proving ||= commands.some(([name]) => name === 'HPEXPIRETIME') && (await isUnited());
          if (!proving || !commands.some((command) => isAbout(command, 'SMISMEMBER', key))) return null;
          if ((await redis.del(key)) === 1) bench.clock.advance(SOON);
          return null;
        },
      });
      const isUnited = async (): Promise<boolean> => (await redis.exists(`cluster:lock:${data.project}`)) === 1;
      const run = await bench.restore(snapshot, { mode: 'merge', reindex: false }, { redis: port, inline: 1 });
      expect(run.error).toBeNull();
      expect(proving).toBe(true);
      expect(await redis.exists(key)).toBe(0);
    },
  );
});
