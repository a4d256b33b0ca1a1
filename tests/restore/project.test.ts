import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { changes, only, type Dump } from '../support/dumps.js';
import { openRestoreBench, type RestoreBench } from '../support/restore-bench.js';
import { keep } from '../support/test-database.js';
import { jobsOf, LATER, loadProjects, ruin, type Workspace } from './project-data.js';

const SETTINGS = { settings: { partBytes: 100_000 } };

describe('one project, restored', () => {
  let bench: RestoreBench;
  let data: Workspace;
  let snapshot = '';
  let whole: Dump = {};
  let bringBack: () => Promise<void>;
  beforeAll(async () => {
    bench = await openRestoreBench();
    data = await loadProjects(bench, { binary: true });
    whole = await bench.dump();
    snapshot = (await bench.snapshot(SETTINGS)).id;
    bringBack = await keep(bench.database.redis);
  });
  afterAll(() => bench.stop());
  beforeEach(() => bringBack());

  const restore = (ask = {}) => bench.restore(snapshot, { scope: { project: data.project }, ...ask });

  it('equals the snapshot, key for key, and everything else is unchanged', async () => {
    const { redis } = bench.database;
    await ruin(redis, data);
    const [other = ''] = data.others;
    await redis.hset(`project:${other}`, 'name', 'renamed since');
    await redis.sadd(`user:projects:${data.user}`, 'a fourth');
    await redis.hset('job:of-another', { project_id: other, cluster_id: 'c', status: 'running' });
    await redis.hset('github:repo:acme/before', 'enabled', 'true');
    const broken = await bench.dump();
    const run = await restore();
    expect(run).toMatchObject({ state: 'succeeded', error: null, result: { extras: 0, undo: run.id } });
    const after = await bench.dump();
    expect(changes(only(whole, data.owns), only(after, data.owns))).toEqual([]);
    const foreign = (key: string): boolean => !data.owns(key);
    expect(changes(only(broken, foreign), only(after, foreign))).toEqual([`user:projects:${data.user}`]);
    const members = await redis.smembers(`user:projects:${data.user}`);
    expect(members.sort()).toEqual([data.project, ...data.others, 'a fourth'].sort());
  });

  it('is counted, and proven', async () => {
    await ruin(bench.database.redis, data);
    const { result } = await restore();
    const owned = Object.keys(only(whole, data.owns)).length;
    const total = { equal: owned, expired: 0, kept: 0, missing: 0, different: 0 };
    expect(result).toMatchObject({
      proof: { total },
      removed: 6,
      plan: { total: { remove: 6, keep: 0 }, usersJoined: 1 },
    });
    expect(result).toMatchObject({ projects: [{ project: data.project, loads: true, violations: [] }] });
  });

  it('loses newer keys, including those that name it only in a field', async () => {
    await ruin(bench.database.redis, data);
    await restore();
    const left = Object.keys(await bench.dump()).filter((key) => key.includes('later-'));
    expect(left).toEqual([]);
    expect(await jobsOf(bench.database.redis, data.project)).toEqual(data.jobs);
    expect(data.jobs.length).toBeGreaterThan(1);
    expect(await bench.database.redis.exists(`job:${LATER.job}:logs`)).toBe(0);
  });

  it('is restored with its jobs when it was deleted entirely', async () => {
    const { redis } = bench.database;
    await redis.del(...Object.keys(whole).filter(data.owns));
    await redis.srem(`user:projects:${data.user}`, data.project);
    expect(await restore()).toMatchObject({ state: 'succeeded' });
    expect(changes(whole, await bench.dump())).toEqual([]);
  });

  it('is restored alone into an empty database', async () => {
    await bench.database.redis.flushall();
    const run = await restore();
    expect(run).toMatchObject({ state: 'succeeded', result: { undo: run.id, targetEmpty: true } });
    const after = await bench.dump();
    const shared = `user:projects:${data.user}`;
    expect(changes(only(whole, data.owns), after)).toEqual([shared]);
    expect(await bench.database.redis.smembers(shared)).toEqual([data.project]);
  });

  it("removes no other project from its user's list", async () => {
    const { redis } = bench.database;
    await redis.del(`user:projects:${data.user}`);
    await redis.sadd(`user:projects:${data.user}`, 'only this one');
    await restore({ mode: 'missing' });
    const members = await redis.smembers(`user:projects:${data.user}`);
    expect(members.sort()).toEqual([data.project, 'only this one'].sort());
  });
});

describe('work in flight', () => {
  let bench: RestoreBench;
  beforeAll(async () => {
    bench = await openRestoreBench();
  });
  afterAll(() => bench.stop());

  it.each([{ all: true } as const, 'project' as const])('is failed when %j is restored', async (which) => {
    const { redis } = bench.database;
    const data = await loadProjects(bench, { locked: true });
    const { project } = data;
    const [item = '', cluster = '', other = ''] = [...data.items.slice(0, 1), ...data.clusters];
    await redis.hset(`cluster:${project}:${cluster}`, 'status', 'fixing');
    await redis.hset(`cluster:${project}:${other}`, 'status', 'new');
    await redis.hset('job:in-flight', { project_id: project, cluster_id: cluster, status: 'pending', logs: 'running' });
    const lock = `cluster:lock:${project}`;
    const holder = (await redis.get(lock)) ?? '';
    expect(await redis.hget(`cluster_job:${project}:${holder}`, 'status')).toBe('running');
    const { id } = await bench.snapshot();
    await redis.del(`feedback:${project}:${item}`, lock);
    const scope = which === 'project' ? { project } : which;
    const run = await bench.restore(id, { scope, settle: null });
    expect(run).toMatchObject({ state: 'succeeded', input: { settle: true } });
    expect(await redis.exists(lock)).toBe(0);
    expect(await redis.hget(`cluster_job:${project}:${holder}`, 'status')).toBe('failed');
    expect(await redis.hgetall('job:in-flight')).toMatchObject({ status: 'failed', logs: 'running' });
    expect(await redis.hget(`cluster:${project}:${cluster}`, 'status')).toBe('failed');
    expect(await redis.hget(`cluster:${project}:${other}`, 'status')).toBe('new');
  });

  it('loses its lock while the project is written, and the lock is released at the end', async () => {
    const { redis } = bench.database;
    const { project, others } = await loadProjects(bench);
    const { id } = await bench.snapshot();
    await redis.set(`cluster:lock:${project}`, 'a clustering', 'PX', 600_000);
    await redis.set(`cluster:lock:${others[0] ?? ''}`, 'another', 'PX', 600_000);
    await redis.del(`project:${project}`);
    const held: (string | null)[] = [];
    const watching = {
      ...bench.port,
      transaction: async (commands: Parameters<typeof bench.port.transaction>[0]) => {
        if (commands.some(([name]) => name === 'HSET')) held.push(await redis.get(`cluster:lock:${project}`));
        return bench.port.transaction(commands);
      },
    };
    const run = await bench.restore(id, { scope: { project } }, { redis: watching });
    expect(run).toMatchObject({ state: 'succeeded', result: { locksTaken: 1 } });
    expect(held).toEqual([run.id]);
    expect(await redis.exists(`cluster:lock:${project}`)).toBe(0);
    expect(await redis.get(`cluster:lock:${others[0] ?? ''}`)).toBe('another');
  });
});
