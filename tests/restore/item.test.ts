import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { Mode } from '../../lib/restore/model.js';
import { checkProject } from '../../lib/soulcaster/invariants.js';
import { changes, only, type Dump } from '../support/dumps.js';
import { openRestoreBench, type RestoreBench } from '../support/restore-bench.js';
import { keep } from '../support/test-database.js';
import { loadProjects, type Workspace } from './project-data.js';

const noLocks = (dump: Dump): Dump => only(dump, (key) => !key.startsWith('cluster:lock:'));

describe('an item of feedback that the application deleted', () => {
  let bench: RestoreBench;
  let data: Workspace;
  let snapshot = '';
  let whole: Dump = {};
  /** One that is in a cluster, and has an external id. */
  let item = '';
  let cluster = '';
  let external = '';
  let bringBack: () => Promise<void>;
  beforeAll(async () => {
    bench = await openRestoreBench();
    data = await loadProjects(bench);
    const { redis } = bench.database;
    for (const id of data.clusters) {
      for (const member of await redis.smembers(`cluster:${data.project}:${id}:items`)) {
        const [source, name] = await redis.hmget(`feedback:${data.project}:${member}`, 'source', 'external_id');
        if (typeof name !== 'string' || name === '') continue;
        [item, cluster, external] = [member, id, `feedback:external:${data.project}:${source ?? ''}:${name}`];
      }
    }
    whole = await bench.dump();
    const { id, parts } = await bench.snapshot({ settings: { partBytes: 100_000 } });
    expect(parts.length).toBeGreaterThan(2);
    snapshot = id;
    bringBack = await keep(redis);
  });
  afterAll(() => bench.stop());
  beforeEach(() => bringBack());

  const scope = () => ({ items: [{ project: data.project, id: item }] });
  const restore = (ask = {}) => bench.restore(snapshot, { scope: scope(), ...ask });

  /** As its store's `delete_feedback_item` does: the cluster keeps the id. */
  async function deleteItem(id = item): Promise<void> {
    const { redis } = bench.database;
    const { project } = data;
    const [source, name] = await redis.hmget(`feedback:${project}:${id}`, 'source', 'external_id');
    await redis.del(`feedback:${project}:${id}`);
    await redis.zrem(`feedback:created:${project}`, id);
    await redis.zrem(`feedback:source:${project}:${source ?? ''}`, id);
    await redis.srem(`feedback:unclustered:${project}`, id);
    if (typeof name === 'string') await redis.del(`feedback:external:${project}:${source ?? ''}:${name}`);
  }

  it.each<Mode>(['replace', 'merge', 'missing'])(
    'is in every list again, and everything else is unchanged: mode %s',
    async (mode) => {
      const { redis } = bench.database;
      const counted = await checkProject(bench.port, data.project);
      await deleteItem();
      await redis.srem(`cluster:${data.project}:${cluster}:items`, item);
      // What came since stays, in the same lists.
      await redis.hset(`feedback:${data.project}:newer`, { id: 'newer', title: 'since' });
      await redis.zadd(`feedback:created:${data.project}`, 99, 'newer');
      await redis.sadd(`feedback:unclustered:${data.project}`, 'newer');
      const before = await bench.dump();
      const plan = await restore({ mode, dryRun: true });
      expect(await bench.dump()).toEqual(before);
      const run = await restore({ mode });
      expect(run).toMatchObject({ result: { undo: run.id, proof: { total: { missing: 0, different: 0 } } } });
      const source = external.split(':')[3] ?? '';
      const touched = [
        `feedback:${data.project}:${item}`,
        external,
        `feedback:created:${data.project}`,
        `feedback:source:${data.project}:${source}`,
        `cluster:${data.project}:${cluster}:items`,
      ].sort();
      expect(changes(before, noLocks(await bench.dump()))).toEqual(touched);
      // The plan named each of them.
      const { examples } = (plan.result as unknown as { plan: { examples: { key: string }[] } }).plan;
      expect(examples.map(({ key }) => key).sort()).toEqual(touched);
      expect(await redis.zscore(`feedback:created:${data.project}`, 'newer')).toBe('99');
      const undone = await bench.restore(run.id, { settle: null });
      expect(undone).toMatchObject({ input: { scope: scope(), undoes: true } });
      expect(changes(before, noLocks(await bench.dump()))).toEqual([]);
      await restore({ mode });
      await redis.del(`feedback:${data.project}:newer`);
      await redis.zrem(`feedback:created:${data.project}`, 'newer');
      await redis.srem(`feedback:unclustered:${data.project}`, 'newer');
      expect(changes(noLocks(whole), noLocks(await bench.dump()))).toEqual([]);
      expect(await checkProject(bench.port, data.project)).toEqual(counted);
    },
  );

  it('is restored as unclustered when its cluster is gone, which the plan reports, and the undo reverts exactly this', async () => {
    const { redis } = bench.database;
    const { project } = data;
    await deleteItem();
    await redis.del(`cluster:${project}:${cluster}`, `cluster:${project}:${cluster}:items`);
    await redis.zrem(`clusters:${project}:all`, cluster);
    const before = await bench.dump();
    expect(await restore({ dryRun: true })).toMatchObject({ result: { plan: { goneClusters: 1 } } });
    const run = await restore();
    expect(run.result).toMatchObject({ plan: { goneClusters: 1 }, proof: { total: { missing: 0, different: 0 } } });
    expect(await redis.sismember(`feedback:unclustered:${project}`, item)).toBe(1);
    expect(await redis.exists(`cluster:${project}:${cluster}`, `cluster:${project}:${cluster}:items`)).toBe(0);
    await bench.restore(run.id, { settle: null });
    expect(changes(before, noLocks(await bench.dump()))).toEqual([]);
  });

  it('moves back to its cluster and gets its fields back when it was only changed; mode missing leaves it', async () => {
    const { redis } = bench.database;
    const { project, clusters } = data;
    const other = clusters.find((id) => id !== cluster) ?? '';
    await redis.hset(`feedback:${project}:${item}`, 'title', 'changed');
    await redis.smove(`cluster:${project}:${cluster}:items`, `cluster:${project}:${other}:items`, item);
    await redis.zadd(`feedback:created:${project}`, 1, item);
    const before = await bench.dump();
    await restore({ mode: 'missing' });
    expect(changes(before, noLocks(await bench.dump()))).toEqual([]);
    const run = await restore();
    expect(run).toMatchObject({ state: 'succeeded', result: { plan: { lists: { moved: 1 } } } });
    expect(changes(noLocks(whole), noLocks(await bench.dump()))).toEqual([]);
    await bench.restore(run.id, { settle: null });
    expect(changes(before, noLocks(await bench.dump()))).toEqual([]);
  });

  it.each<Mode>(['replace', 'merge'])(
    'is undone together with a key that was in the place of a list: mode %s',
    async (mode) => {
      const { redis } = bench.database;
      await redis.del(`feedback:created:${data.project}`);
      await redis.set(`feedback:created:${data.project}`, 'precious');
      const before = noLocks(await bench.dump());
      const run = await restore({ mode });
      expect(await redis.zrange(`feedback:created:${data.project}`, '0', '-1')).toEqual([item]);
      expect(await bench.restore(run.id, { settle: null, mode })).toMatchObject({
        result: { proof: { total: { missing: 0, different: 0 } } },
      });
      expect(await redis.get(`feedback:created:${data.project}`)).toBe('precious');
      expect(changes(before, noLocks(await bench.dump()))).toEqual([]);
    },
  );

  it('comes back into an empty database', async () => {
    await bench.database.redis.flushall();
    const run = await restore();
    expect(run.result).toMatchObject({ targetEmpty: true, proof: { total: { missing: 0, different: 0 } } });
    expect(await bench.database.redis.exists(`feedback:${data.project}:${item}`)).toBe(1);
    expect(await bench.database.redis.zrange(`feedback:created:${data.project}`, '0', '-1')).toEqual([item]);
    await bench.restore(run.id, { settle: null });
    expect(await bench.database.redis.dbsize()).toBe(0);
  });

  it('is refused with nothing written when the snapshot does not have it', async () => {
    const before = await bench.dump();
    const run = await bench.restore(snapshot, { scope: { items: [{ project: data.project, id: 'no-such-item' }] } });
    expect(run).toMatchObject({ state: 'failed', error: { code: 'not-found' } });
    expect(run.error?.message).toContain(`item "${data.project}/no-such-item"`);
    expect(await bench.dump()).toEqual(before);
    const elsewhere = bench.restore(snapshot, { scope: { items: [{ project: 'nowhere', id: item }] } });
    await expect(elsewhere).rejects.toMatchObject({ code: 'not-found' });
  });
});
