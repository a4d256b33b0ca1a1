import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Dump } from '../support/dumps.js';
import type { RunView } from './nightly-stack.js';
import { expectAsBefore, restoreStack, workInFlight, type OneProject, type RestoreStack } from './restore-stack.js';

const NO_DOUBT = { kept: 0, missing: 0, different: 0 };

let bench: RestoreStack;
let snapshot: string;
let before: Dump;
let inFlight: Awaited<ReturnType<typeof workInFlight>>;
/** One whose id is its user's as well: the hardest to tell apart. */
let lost: OneProject;

beforeAll(async () => {
  bench = await restoreStack({ items: 60, mixed: 300 });
  snapshot = await bench.snapshot();
  before = await bench.dump();
  inFlight = await workInFlight(bench.redis, before);
  const [first] = bench.projects;
  if (first === undefined) throw new Error('no project');
  lost = first;
});

afterAll(() => bench.stop());

describe('one of three projects, deleted', () => {
  const strays = () => [`feedback:${lost.id}:later`, 'job:later', 'job:later:logs'];
  let other: string;
  let harmed: Dump;
  let planned: Record<string, unknown>;

  beforeAll(async () => {
    const { redis, projects } = bench;
    expect(lost.id).toBe(lost.user);
    await redis.del(...lost.keys);
    await redis.srem(`user:projects:${lost.user}`, lost.id);
    other = `config:reddit:subreddits:${projects[1]?.id ?? ''}`;
    await redis.set(other, '["changed since"]');
    const [feedback = '', job = '', logs = ''] = strays();
    await redis.hset(feedback, { id: 'later', project_id: lost.id, title: 'came up since' });
    await redis.hset(job, { id: 'later', project_id: lost.id, status: 'running' });
    await redis.rpush(logs, 'line');
    await redis.set(`cluster:lock:${lost.id}`, 'somebody', 'EX', 600);
    harmed = await bench.dump();
  });

  it('is only counted by a dry run', async () => {
    const writes = bench.stack.redis.writeCommandCount();
    const run = await bench.restore({ snapshot: 'latest', scope: { project: lost.id }, dryRun: true });
    expect(run).toMatchObject({ state: 'succeeded', error: null, result: { snapshot, dryRun: true } });
    planned = run.result?.['plan'] as Record<string, unknown>;
    expect(planned).toMatchObject({
      total: { write: lost.keys.length, overwrite: 0, same: 0, keep: 0, expired: 0, remove: strays().length },
      usersJoined: 1,
    });
    expect(await bench.dump()).toEqual(harmed);
    expect(bench.stack.redis.writeCommandCount()).toBe(writes);
    expect(await bench.redis.get(`cluster:lock:${lost.id}`)).toBe('somebody');
  });

  it('comes back, proven, and nothing else is touched', async () => {
    const run = await bench.restore({ snapshot, scope: { project: lost.id } });
    expect(run).toMatchObject({ state: 'succeeded', error: null });
    expect(run.result).toMatchObject({
      plan: planned,
      written: { written: lost.keys.length },
      removed: strays().length,
      extras: 0,
      locksTaken: 1,
      undo: run.runId,
      proof: { total: { ...NO_DOUBT, equal: lost.keys.length, expired: 0 }, examples: [] },
      projects: [{ project: lost.id, feedback: 60, loads: true, violations: [], backend: 'not-asked' }],
    });
    const settled = Object.entries(inFlight).filter(([key]) => lost.keys.includes(key));
    expect(settled.length).toBeGreaterThan(0);
    await expectAsBefore(bench, before, Object.fromEntries(settled), [other]);
    expect(await bench.leftovers(run.runId)).toEqual([]);
  });
});

describe('everything, lost but for a few wrong keys', () => {
  let wrong: Dump;
  let run: RunView;

  beforeAll(async () => {
    const { redis } = bench;
    await redis.flushall();
    await redis.set(`project:${lost.id}`, 'of another type');
    await redis.hset(`project:${bench.projects[1]?.id ?? ''}`, { id: 'wrong', name: 'of another value' });
    await redis.rpush('stray:list', 'a', 'b', 'c');
    await redis.zadd('stray:scores', 'inf', 'a', '-0.5', 'b');
    await redis.set('stray:expiring', 'value', 'PXAT', Date.now() + 3_600_000);
    wrong = await bench.dump();
  });

  it('takes a confirmation', async () => {
    const writes = bench.stack.redis.writeCommandCount();
    for (const confirm of [null, snapshot.replace(/.$/, '#')]) {
      const answer = await bench.send({ snapshot, scope: { all: true }, confirm });
      expect([answer.status, await answer.json()]).toEqual([428, expect.objectContaining({ code: 'not-confirmed' })]);
    }
    expect(bench.stack.redis.writeCommandCount()).toBe(writes);
  });

  it('comes back', async () => {
    run = await bench.restore({ snapshot, scope: { all: true }, confirm: snapshot });
    expect(run).toMatchObject({ state: 'succeeded', error: null });
    expect(run.result).toMatchObject({
      plan: { total: { write: Object.keys(before).length - 2, overwrite: 2, same: 0, remove: 3 } },
      written: { written: Object.keys(before).length },
      removed: 3,
      undo: run.runId,
      proof: { total: { ...NO_DOUBT, equal: Object.keys(before).length } },
    });
    const looks = run.result?.['projects'] as { loads: boolean }[];
    expect(looks.map(({ loads }) => loads)).toEqual([true, true, true, true, true]);
    await expectAsBefore(bench, before, inFlight);
    expect(await bench.leftovers(run.runId)).toEqual([]);
  });

  it('is as wrong as it was when the restore is undone', async () => {
    const undo = String(run.result?.['undo']);
    const undone = await bench.restore({ snapshot: undo, scope: { all: true }, confirm: undo });
    expect(undone).toMatchObject({
      state: 'succeeded',
      result: { snapshot: undo, settle: false, proof: { total: { ...NO_DOUBT, equal: Object.keys(wrong).length } } },
    });
    expect(await bench.dump()).toEqual(wrong);
    expect(await bench.leftovers(undone.runId)).toEqual([]);
  });

  it('comes back once for a request that is sent twice', async () => {
    const body = { snapshot, scope: { all: true }, confirm: snapshot };
    const answer = await bench.send(body, 'once-only');
    const { runId } = (await answer.json()) as RunView;
    const again = await bench.send(body, 'once-only');
    expect([again.status, await again.json()]).toEqual([
      409,
      expect.objectContaining({ code: 'replayed', detail: expect.stringContaining(runId) as unknown }),
    ]);
    expect(await bench.finished(runId)).toMatchObject({ state: 'succeeded' });
    await expectAsBefore(bench, before, inFlight);
  });
});
