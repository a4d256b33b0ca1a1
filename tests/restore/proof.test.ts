import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { systemClock } from '../../lib/services/clock.js';
import { soulcasterBackend } from '../../lib/services/soulcaster-backend.js';
import type { RedisPort } from '../../lib/ports/index.js';
import { json, startServer, type HttpServer } from '../services/soulcaster-backend-server.js';
import { intercept } from '../snapshot/intercept.js';
import { changes } from '../support/dumps.js';
import { openRestoreBench, type RestoreBench } from '../support/restore-bench.js';
import { loadProjects, type Workspace } from './project-data.js';

describe('the proof of a restore', () => {
  let bench: RestoreBench;
  let snapshot = '';
  beforeAll(async () => {
    bench = await openRestoreBench();
    await bench.database.redis.hset('project:p', { id: 'p', user_id: 'u' });
    await bench.database.redis.mset('text', 'as it was', 'other', 'as it was');
    await bench.database.redis.rpush('list', 'a', 'b');
    snapshot = (await bench.snapshot()).id;
  });
  afterAll(() => bench.stop());
  beforeEach(() => bench.database.redis.flushall());

  /** Somebody writes right after the restore has written everything. */
  function meddling(act: () => Promise<unknown>): RedisPort {
    let wrote = false;
    let done = false;
    return intercept(bench.port, {
      before: async () => {
        if (wrote && !done) {
          done = true;
          await act();
        }
        return null;
      },
      after: (commands, replies) => {
        wrote ||= commands.some(([name]) => name === 'MSET');
        return replies;
      },
    });
  }

  it.each([
    ['changed', 'different', 'value', (bench: RestoreBench) => bench.database.redis.set('text', 'otherwise')],
    ['given an expiry', 'different', 'expiry', (bench: RestoreBench) => bench.database.redis.expire('text', 1e9)],
    ['removed', 'missing', null, (bench: RestoreBench) => bench.database.redis.del('text')],
    [
      'made another type',
      'different',
      'type',
      async ({ database: { redis } }: RestoreBench) => {
        await redis.del('text');
        await redis.sadd('text', 'as it was');
      },
    ],
  ] as const)('fails, and names the key, when one was %s meanwhile', async (_how, verdict, difference, act) => {
    const run = await bench.restore(snapshot, {}, { redis: meddling(() => act(bench)) });
    expect(run).toMatchObject({ state: 'failed', error: { code: 'not-proven' } });
    expect(run.result).toMatchObject({
      proof: {
        total: { equal: 3, [verdict]: 1 },
        byFamily: { other: { [verdict]: 1 } },
        examples: [{ verdict, key: 'text', difference }],
      },
    });
    expect(JSON.stringify(run)).not.toContain('otherwise');
    expect(await bench.database.redis.keys('cluster:lock:*')).toEqual([]);
  });

  it('gives the undo command for a restore that could not be proven', async () => {
    await bench.database.redis.set('was there', '1');
    const redis = meddling(() => bench.database.redis.del('text'));
    const run = await bench.restore(snapshot, {}, { redis });
    expect(run.error?.hint).toContain(`restore ${run.id}`);
    expect(await bench.restore(run.id)).toMatchObject({ state: 'succeeded' });
    expect(await bench.database.redis.keys('*')).toEqual(['was there']);
  });

  it('counts keys that were added meanwhile, and does not fail because of them', async () => {
    const redis = meddling(() => bench.database.redis.mset('new', '1', 'newer', '2'));
    const run = await bench.restore(snapshot, {}, { redis });
    expect(run).toMatchObject({ state: 'succeeded', result: { extras: 2, proof: { total: { equal: 4 } } } });
    expect(await bench.database.redis.mget('new', 'newer')).toEqual(['1', '2']);
  });
});

describe('a backend', () => {
  let bench: RestoreBench;
  let data: Workspace;
  let snapshot = '';
  let server: HttpServer;
  /** What the backend counts beside what is there. */
  let surplus = 0;
  beforeAll(async () => {
    bench = await openRestoreBench();
    data = await loadProjects(bench);
    snapshot = (await bench.snapshot()).id;
    server = await startServer((request, response) => {
      const project = new URL(request.url ?? '/', 'http://backend').searchParams.get('project_id');
      void (project === null ? Promise.resolve({ status: 'healthy' }) : statsOf(project)).then((answer) =>
        json(answer)(request, response),
      );
    });
  });
  afterAll(async () => {
    await server.stop();
    await bench.stop();
  });

  async function statsOf(project: string) {
    const { redis } = bench.database;
    const total_feedback = (await redis.zcard(`feedback:created:${project}`)) + surplus;
    return { total_feedback, total_clusters: await redis.zcard(`clusters:${project}:all`), by_source: {} };
  }
  const backend = () =>
    soulcasterBackend({ url: server.url, clock: systemClock(), retry: { attempts: 2, baseMs: 1, capMs: 2 } });
  const restore = () => bench.restore(snapshot, { scope: { project: data.project } }, { backend: backend() });
  const says = (verdict: string) => ({ projects: [{ project: data.project, backend: verdict }] });

  it('with the same counts passes the proof', async () => {
    expect(await restore()).toMatchObject({ state: 'succeeded', error: null, result: says('agrees') });
    const run = await bench.restore(snapshot, {}, { backend: backend() });
    const { projects } = run.result as unknown as { projects: { backend: string }[] };
    expect(projects.map((each) => each.backend)).toEqual(['agrees', 'agrees', 'agrees']);
  });

  it('with other counts fails the proof', async () => {
    surplus = 1;
    expect(await restore()).toMatchObject({
      state: 'failed',
      error: { code: 'not-proven' },
      result: { ...says('differs'), proof: { total: { missing: 0, different: 0 } } },
    });
    surplus = 0;
  });

  it('is not asked about another database', async () => {
    const other = await openRestoreBench();
    const before = await bench.dump();
    const writes = bench.writes();
    try {
      surplus = 1;
      const parts = { backend: backend(), targets: { staging: other.port } };
      const run = await bench.restore(snapshot, { target: 'staging' }, parts);
      surplus = 0;
      expect(run).toMatchObject({ state: 'succeeded', input: { target: 'staging' }, result: { undo: run.id } });
      const { projects } = run.result as unknown as { projects: { backend: string }[] };
      expect(new Set(projects.map((each) => each.backend))).toEqual(new Set(['not-asked']));
      expect(changes(before, await other.dump())).toEqual([]);
      expect(changes(before, await bench.dump())).toEqual([]);
      expect(bench.writes()).toBe(writes);
    } finally {
      await other.stop();
    }
  });

  it('that does not answer leaves the run incomplete, though the data are proven', async () => {
    await server.stop();
    expect(await restore()).toMatchObject({
      state: 'incomplete',
      error: { code: 'incomplete' },
      result: { ...says('no-answer'), proof: { total: { missing: 0, different: 0 } } },
    });
  });
});
