import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { dumpOf } from '../support/dumps.js';
import { nightlyStack, type NightlyStack } from '../e2e/nightly-stack.js';

/** Every call that the page makes, and whether it changes anything. */
const CALLS = [
  ['GET', '/api/snapshots?limit=500'],
  ['GET', '/api/status?view=projects'],
  ['GET', '/api/runs/20261122T020000Z-x7k2m9'],
  ['POST', '/api/backup'],
  ['POST', '/api/verify'],
  ['POST', '/api/restore'],
  ['POST', '/api/reindex'],
  ['POST', '/api/drill'],
  ['POST', '/api/alerts/acknowledge'],
  ['POST', '/api/alerts/test'],
  ['POST', '/api/snapshots/20261122T020000Z-x7k2m9/pin'],
  ['POST', '/api/snapshots/20261122T020000Z-x7k2m9/accept'],
  ['POST', '/api/runs/20261122T020000Z-x7k2m9/cancel'],
] as const;

describe('the API behind the page', () => {
  let nightly: NightlyStack;
  let snapshot = '';
  beforeAll(async () => {
    nightly = await nightlyStack({ items: 20, mixed: 0 }, { functions: { onLog: () => undefined } });
    const run = (await (await nightly.cron()).json()) as { runId: string };
    snapshot = run.runId;
    await nightly.finished(snapshot);
  });
  afterAll(() => nightly.stack.stop());

  async function runs(): Promise<number> {
    const status = (await (await nightly.admin('/api/status')).json()) as { runs: unknown[] };
    return status.runs.length;
  }

  it.each(CALLS)('does nothing without the right token: %s %s', async (method, path) => {
    const before = await runs();
    for (const headers of [{}, { authorization: 'Bearer wrong' }, { cookie: 'token=1' }]) {
      const answer = await nightly.call(path, { method, headers, ...(method === 'POST' ? { body: '{}' } : {}) });
      expect([answer.status, await answer.json()]).toEqual([401, expect.objectContaining({ code: 'unauthorized' })]);
    }
    expect(await runs()).toBe(before);
  });

  it('shows no figures without a token', async () => {
    expect(await (await nightly.call('/api/status')).json()).toEqual({
      state: expect.any(String) as unknown,
      at: expect.any(String) as unknown,
      label: null,
    });
  });

  it.each([null, 'yes', 'latest'])('restores nothing on an invalid confirmation: %s', async (confirm) => {
    const [before, earlier] = [await dumpOf(nightly.stack.urls.redis), await runs()];
    const project = await someProject();
    for (const scope of [{ all: true }, { project }]) {
      const answer = await nightly.call('/api/restore', {
        method: 'POST',
        headers: { authorization: `Bearer ${nightly.stack.env['ADMIN_TOKEN'] ?? ''}` },
        body: JSON.stringify({ snapshot, scope, mode: 'replace', dryRun: false, confirm }),
      });
      const problem = (await answer.json()) as { code: string; hint: string };
      expect([answer.status, problem.code]).toEqual([428, 'not-confirmed']);
      expect(problem.hint).toContain('all' in scope ? snapshot : "the project's id");
    }
    expect(await dumpOf(nightly.stack.urls.redis)).toEqual(before);
    expect(await runs()).toBe(earlier);
  });

  async function someProject(): Promise<string> {
    const view = (await (await nightly.admin('/api/status?view=projects')).json()) as {
      projects: { project: string }[];
    };
    return view.projects[0]?.project ?? '';
  }
});
