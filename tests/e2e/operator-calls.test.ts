import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Dump } from '../support/dumps.js';
import { AT_WORK, post, whileAtWork } from './operator.js';
import { restoreStack, type RestoreStack } from './restore-stack.js';

let bench: RestoreStack;
let snapshot: string;
let before: Dump;

beforeAll(async () => {
  bench = await restoreStack({ items: 30, mixed: 100 });
  snapshot = await bench.snapshot();
  before = await bench.dump();
});
afterAll(() => bench.stop());

describe('who has no admin token', () => {
  it.each([
    ['GET', '/api/snapshots'],
    ['GET', '/api/runs'],
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
        deployment: expect.objectContaining({ label: null, version: expect.any(String) }),
      },
    ]);
  });
});

describe('POST /api/verify', () => {
  it('starts a verification that the queue works off', async () => {
    const { status, headers, said } = await post(bench, '/api/verify', { snapshot: 'latest' });
    const { host: database } = new URL(bench.stack.env['UPSTASH_REDIS_REST_URL'] ?? '');
    const started = { runId: said.runId, state: 'running', snapshot, deployment: { database, label: null } };
    expect([status, said]).toMatchObject([202, started]);
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
    const { status, said } = await post(bench, '/api/verify', body);
    expect([status, said.code]).toEqual([wanted, code]);
  });

  it('tells of the run that is at it', async () => {
    const { status, said } = await whileAtWork(bench, 'verify', () => post(bench, '/api/verify', { snapshot }));
    expect([status, said]).toEqual([409, expect.objectContaining({ code: 'locked' })]);
    expect(said.hint).toContain(`/api/runs/${AT_WORK}`);
  });

  it('finds a part that was altered', async () => {
    const id = await bench.snapshot();
    const home = join(fileURLToPath(bench.stack.env['BACKUP_STORE'] ?? ''), 'snapshots', id);
    const part = (await readdir(home)).find((name) => name.startsWith('part-')) ?? '';
    await writeFile(join(home, part), 'other bytes');
    const { said } = await post(bench, '/api/verify', { snapshot: id });
    expect(await bench.finished(said.runId)).toMatchObject({ state: 'failed', error: { code: 'damaged' } });
    const answer = await bench.admin('/api/snapshots');
    const { snapshots } = (await answer.json()) as { snapshots: object[] };
    expect(snapshots[0]).toMatchObject({ id, verification: { state: 'damaged' } });
  });
});
