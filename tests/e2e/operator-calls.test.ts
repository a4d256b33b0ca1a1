import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Dump } from '../support/dumps.js';
import { expectAsBefore, restoreStack, workInFlight, type OneProject, type RestoreStack } from './restore-stack.js';

let bench: RestoreStack;
let snapshot: string;
let before: Dump;
let inFlight: Awaited<ReturnType<typeof workInFlight>>;
let project: OneProject;

beforeAll(async () => {
  bench = await restoreStack({ items: 30, mixed: 100 });
  snapshot = await bench.snapshot();
  before = await bench.dump();
  inFlight = await workInFlight(bench.redis, before);
  project = bench.projects[1] ?? { id: '', user: '', keys: [] };
});
afterAll(() => bench.stop());

interface Said {
  readonly [field: string]: unknown;
  readonly runId: string;
  readonly code?: string;
  readonly hint?: string;
}

async function post(path: string, body: unknown, token = bench.stack.env['ADMIN_TOKEN'] ?? '') {
  const answer = await bench.call(path, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}` },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });
  return { status: answer.status, headers: answer.headers, said: (await answer.json()) as Said };
}

describe('who has no admin token', () => {
  it.each([
    ['GET', '/api/snapshots'],
    ['POST', '/api/verify'],
    ['POST', '/api/restore'],
    ['GET', '/api/status?view=projects'],
  ])('is not let in to %s %s', async (method, path) => {
    const runs = await bench.objects('runs/');
    for (const authorization of [null, 'Bearer wrong', `Bearer ${bench.stack.env['CRON_SECRET'] ?? ''}`]) {
      const headers = authorization === null ? {} : { authorization };
      const answer = await bench.call(path, { method, headers, ...(method === 'POST' ? { body: '{}' } : {}) });
      expect([answer.status, await answer.json()]).toEqual([401, expect.objectContaining({ code: 'unauthorized' })]);
    }
    expect(await bench.objects('runs/')).toEqual(runs);
  });
});

describe('GET /api/snapshots', () => {
  it('lists what was taken', async () => {
    const answer = await bench.admin('/api/snapshots?limit=1');
    expect(answer.headers.get('cache-control')).toBe('no-store');
    expect([answer.status, await answer.json()]).toEqual([
      200,
      {
        snapshots: [
          expect.objectContaining({
            id: snapshot,
            state: 'complete',
            keys: Object.keys(before).length,
            verification: expect.objectContaining({ state: 'verified' }),
          }),
        ],
        more: false,
      },
    ]);
  });
});

describe('POST /api/verify', () => {
  it('starts a verification that the queue works off', async () => {
    const { status, headers, said } = await post('/api/verify', { snapshot: 'latest' });
    expect([status, said]).toEqual([202, { runId: said.runId, state: 'running', snapshot }]);
    expect(headers.get('location')).toBe(`/api/runs/${said.runId}`);
    const run = await bench.finished(said.runId);
    expect(run).toMatchObject({ state: 'succeeded', result: { snapshot, keys: Object.keys(before).length } });
  });

  it.each<[number, string, unknown]>([
    [400, 'usage', 'not json'],
    [422, 'invalid', {}],
    [422, 'invalid', { snapshot: '../x' }],
    [422, 'invalid', { snapshot: 'latest', force: true }],
    [404, 'not-found', { snapshot: '20200101T000000Z-000000' }],
  ])('answers %d %s to %j', async (wanted, code, body) => {
    const { status, said } = await post('/api/verify', body);
    expect([status, said.code]).toEqual([wanted, code]);
  });

  it('tells of the run that is at it', async () => {
    const answers = await Promise.all([1, 2, 3].map(() => post('/api/verify', { snapshot })));
    const started = answers.filter(({ status }) => status === 202);
    const refused = answers.filter(({ status }) => status === 409);
    expect([started.length, refused.length]).toEqual([1, 2]);
    expect(refused[0]?.said.code).toBe('locked');
    expect(refused[0]?.said.hint).toContain(started[0]?.said.runId);
    await bench.finished(started[0]?.said.runId ?? '');
  });

  it('finds a part that was altered', async () => {
    const id = await bench.snapshot();
    const home = join(fileURLToPath(bench.stack.env['BACKUP_STORE'] ?? ''), 'snapshots', id);
    const part = (await readdir(home)).find((name) => name.startsWith('part-')) ?? '';
    await writeFile(join(home, part), 'other bytes');
    const { said } = await post('/api/verify', { snapshot: id });
    expect(await bench.finished(said.runId)).toMatchObject({ state: 'failed', error: { code: 'damaged' } });
    const answer = await bench.admin('/api/snapshots');
    const { snapshots } = (await answer.json()) as { snapshots: object[] };
    expect(snapshots[0]).toMatchObject({ id, verification: { state: 'damaged' } });
  });
});

describe('POST /api/restore', () => {
  const everything = { all: true };

  it.each<[string, object, string]>([
    ['everything', { scope: everything }, 'snapshot'],
    ['everything, merged', { scope: everything, mode: 'merge' }, 'snapshot'],
    ['only what is missing', { scope: everything, mode: 'missing' }, 'snapshot'],
    ['a project', {}, 'project'],
    ['a project, merged', { mode: 'merge' }, 'project'],
  ])('takes a typed confirmation for %s', async (_what, ask, word) => {
    const writes = bench.stack.redis.writeCommandCount();
    const body = { snapshot, scope: { project: project.id }, ...ask };
    const right = word === 'snapshot' ? snapshot : project.id;
    const wrong = [
      undefined,
      null,
      'latest',
      word === 'snapshot' ? project.id : snapshot,
      right.toUpperCase(),
      ` ${right}`,
    ];
    for (const confirm of wrong.filter((text) => text !== right)) {
      const { status, said } = await post('/api/restore', { ...body, confirm });
      expect([confirm, status, said.code]).toEqual([confirm, 428, 'not-confirmed']);
      expect(said.hint).toContain(word === 'snapshot' ? snapshot : "the project's id");
    }
    expect(bench.stack.redis.writeCommandCount()).toBe(writes);
  });

  it.each<[number, string, unknown]>([
    [400, 'usage', 'not json'],
    [400, 'usage', { mode: 'replace', allowIncomplete: true }],
    [422, 'invalid', { snapshot: 3 }],
    [422, 'invalid', { trigger: 'cli' }],
    [422, 'invalid', { confirmFor: 'replacing-all' }],
    [404, 'not-found', { snapshot: '20200101T000000Z-000000' }],
    [404, 'not-found', { scope: { project: 'unknown' }, confirm: 'unknown' }],
    [413, 'too-large', { snapshot: 'x'.repeat(20_000) }],
  ])('answers %d %s to %j', async (wanted, code, changes) => {
    const body = typeof changes === 'string' ? changes : { snapshot, scope: everything, ...(changes as object) };
    const { status, said } = await post('/api/restore', body);
    expect([status, said.code]).toEqual([wanted, code]);
  });

  it('only counts in a dry run, which takes no confirmation', async () => {
    await bench.redis.del(...project.keys);
    const harmed = await bench.dump();
    const body = { snapshot, scope: { project: project.id }, dryRun: true };
    const { status, said } = await post('/api/restore', body);
    expect([status, said]).toEqual([202, { runId: said.runId, state: 'running', snapshot, dryRun: true }]);
    const run = await bench.finished(said.runId);
    expect(run).toMatchObject({ state: 'succeeded', result: { plan: { total: { write: project.keys.length } } } });
    expect(await bench.dump()).toEqual(harmed);
  });

  it('brings a project back, and says that an operator asked for it', async () => {
    const body = { snapshot, scope: { project: project.id }, confirm: project.id };
    const { status, headers, said } = await post('/api/restore', body);
    expect([status, said]).toEqual([202, { runId: said.runId, state: 'running', snapshot, dryRun: false }]);
    expect(headers.get('location')).toBe(`/api/runs/${said.runId}`);
    const run = await bench.finished(said.runId);
    expect(run).toMatchObject({ state: 'succeeded', error: null, input: { trigger: 'admin' } });
    const settled = Object.entries(inFlight).filter(([key]) => project.keys.includes(key));
    await expectAsBefore(bench, before, Object.fromEntries(settled));
  });

  it('is one at a time', async () => {
    const body = { snapshot, scope: everything, confirm: snapshot };
    const answers = await Promise.all([1, 2].map(() => post('/api/restore', body)));
    expect(answers.map(({ status }) => status).sort()).toEqual([202, 409]);
    const refused = answers.find(({ status }) => status === 409);
    const started = answers.find(({ status }) => status === 202);
    expect(refused?.said).toMatchObject({ code: 'locked', hint: expect.stringContaining(started?.said.runId ?? '?') });
    expect(refused?.said.hint).not.toContain('webhook');
    expect(await bench.finished(started?.said.runId ?? '')).toMatchObject({ state: 'succeeded' });
    await expectAsBefore(bench, before, inFlight);
  });
});
