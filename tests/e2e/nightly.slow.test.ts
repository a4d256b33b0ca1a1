import { readdir } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { nightlyStack, SAME, type NightlyStack, type RunView } from './nightly-stack.js';

let nightly: NightlyStack;

beforeAll(async () => {
  nightly = await nightlyStack({ items: 300, mixed: 500 });
});

afterAll(() => nightly.stack.stop());

async function storedObjects(): Promise<string[]> {
  const folder = fileURLToPath(nightly.stack.env['BACKUP_STORE'] ?? '');
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []);
  return entries.filter((entry) => entry.isFile()).map((entry) => entry.name);
}

describe('the door of the functions', () => {
  const bearer = (token: string): RequestInit => ({ headers: { authorization: token } });

  it.each([
    ['/api/cron/backup', {}],
    ['/api/cron/backup', bearer('Bearer wrong')],
    ['/api/cron/backup', bearer('wrong')],
    ['/api/backup', { method: 'POST' }],
    ['/api/backup', { method: 'POST', ...bearer('Bearer wrong') }],
    ['/api/runs/20260101T000000Z-000000', {}],
    ['/api/tasks', { method: 'POST', body: '{"run":"20260101T000000Z-000000","leg":0}' }],
    ['/api/tasks', { method: 'POST', body: '{}', headers: { 'upstash-signature': 'a.b.c' } }],
    ['/api/status', bearer('Bearer wrong')],
  ] as [string, RequestInit][])('stays shut: %s %j', async (path, init) => {
    const answer = await nightly.call(path, init);
    expect(answer.status).toBe(401);
    expect(answer.headers.get('content-type')).toBe('application/problem+json');
    expect(await answer.json()).toMatchObject({
      status: 401,
      code: 'unauthorized',
      hint: expect.any(String) as unknown,
    });
    expect(await storedObjects()).toEqual([]);
  });

  it.each([
    ['/api/cron/backup', 'POST'],
    ['/api/backup', 'GET'],
    ['/api/tasks', 'GET'],
    ['/api/status', 'DELETE'],
  ])('takes no other method: %s %s', async (path, method) => {
    const secret = nightly.stack.env['CRON_SECRET'] ?? '';
    const answer = await nightly.call(path, { method, headers: { authorization: `Bearer ${secret}` } });
    expect(answer.status).toBe(405);
    expect(await storedObjects()).toEqual([]);
  });
});

interface Answer {
  readonly status: number;
  readonly body: Readonly<Record<string, unknown>>;
}

/** Calls twice at once, again and again until the one met the other: a function that has to start first comes late. */
async function atOnce(call: () => Promise<Response>): Promise<Answer[]> {
  for (;;) {
    const answers = await Promise.all([call(), call()]);
    const read = answers.map(async (answer): Promise<Answer> => {
      return { status: answer.status, body: (await answer.json()) as Answer['body'] };
    });
    const both = await Promise.all(read);
    if (both.some(({ body }) => body['state'] !== 'succeeded')) return both;
    expect(both.map(({ status }) => status)).toEqual([200, 200]);
  }
}

describe('the nightly cron', () => {
  it('has no snapshot to show at first', async () => {
    const answer = await nightly.call('/api/status');
    expect([answer.status, await answer.json()]).toEqual([
      503,
      { state: 'degraded', at: expect.any(String), label: null },
    ]);
  });

  it('takes a snapshot that equals the database, and the status turns', async () => {
    const answer = await nightly.cron();
    expect(answer.status).toBe(200);
    const run = (await answer.json()) as RunView;
    expect(run).toMatchObject({ state: 'succeeded', result: { state: 'complete', failed: 0 } });
    expect(await nightly.compare(run.runId)).toMatchObject({ ...SAME, keys: run.result?.['keys'] });
    const status = await nightly.admin('/api/status');
    // No guard was heard of yet, so that not all of it is ok.
    expect(status.status).toBe(503);
    expect(await status.json()).toMatchObject({
      recoverable: { state: 'ok', by: run.runId },
      recoveryPoint: { newestVerified: { id: run.runId } },
    });
  });

  it('lets one of two at once run; the other names it', async () => {
    const answers = await atOnce(() => nightly.cron());
    expect(answers.map(({ status }) => status)).toEqual([200, 200]);
    expect(answers.map(({ body }) => body['state']).sort()).toEqual(['in-progress', 'succeeded']);
    expect(new Set(answers.map(({ body }) => body['runId'])).size).toBe(1);
  });

  it('says 409 to an operator while a snapshot is being taken, and names it', async () => {
    const answers = await atOnce(() => nightly.admin('/api/backup', 'POST'));
    const [taken, refused] = answers.sort((a, b) => a.status - b.status);
    expect([taken?.status, refused?.status, refused?.body['code']]).toEqual([200, 409, 'locked']);
    expect(refused?.body['detail']).toContain(taken?.body['runId']);
  });

  it('shows a run to operators, without its checkpoint, and 404 for one that is not', async () => {
    const run = (await (await nightly.cron()).json()) as RunView;
    const shown = await nightly.admin(`/api/runs/${run.runId}`);
    const { upkeep, ...same } = run as RunView & { upkeep: unknown };
    expect(upkeep).toMatchObject({ prune: { state: 'done' }, replica: { state: 'skipped' } });
    const { deployment, ...shownRun } = (await shown.json()) as RunView & { deployment: unknown };
    expect(shownRun).toEqual(same);
    expect(deployment).toMatchObject({ label: null, store: nightly.stack.env['BACKUP_STORE'] });
    expect((await nightly.admin('/api/runs/20260101T000000Z-000000')).status).toBe(404);
    expect((await nightly.admin('/api/runs/..%2F..%2Fetc%2Fpasswd')).status).toBe(404);
  });
});
