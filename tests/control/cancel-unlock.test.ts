import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from '@jest/globals';
import { fullApp, type FullApp } from '../../lib/app/app.js';
import { cancel, unlock } from '../../lib/cli/unlock.js';
import { adminCancel } from '../../lib/http/runs.js';
import { startSnapshot } from '../../lib/snapshot/run.js';
import { BUDGET, contextOf, copyOf, goodStore, logTo, put, startDatabase } from './odd-store.js';
import type { Database, OddStore } from './odd-store.js';

let database: Database;
let good: OddStore;
let store: OddStore;
let app: FullApp;
beforeAll(async () => {
  database = await startDatabase();
  good = await goodStore(database, true);
});
beforeEach(async () => {
  store = await copyOf(good);
  app = fullApp(store.env, { log: logTo([]) });
});
afterEach(() => store.stop());
afterAll(async () => {
  await good.stop();
  await database.stop();
});

const begin = async (): Promise<string> => {
  const started = await startSnapshot(app.engine, 'cli');
  if (!started.started) throw new Error(`held by ${started.holder}`);
  return started.run.id;
};

it('`cancel` ends a run and frees its lease, and leaves a finished run as it is', async () => {
  const run = await begin();
  expect(await startSnapshot(app.engine, 'cli')).toMatchObject({ started: false, holder: run });
  for (const cancelled of [true, true]) {
    const context = contextOf(store.env);
    expect(await cancel(context, run)).toBe(0);
    expect(context.said()).toMatchObject({ run, state: 'failed', cancelled });
  }
  expect((await app.work(await begin(), BUDGET)).state).toBe('succeeded');
  const [over = ''] = store.snapshots;
  const context = contextOf(store.env);
  expect(await cancel(context, over)).toBe(0);
  expect(context.said()).toMatchObject({ state: 'succeeded', cancelled: false });
  await expect(cancel(contextOf(store.env), '20200101T000000Z-aaaaaa')).rejects.toMatchObject({ code: 'not-found' });
});

it('POST /api/runs/{id}/cancel does the same', async () => {
  const run = await begin();
  const call = (): Promise<Response> =>
    adminCancel(app, new Request(`http://localhost/api/runs/${run}/cancel`, { method: 'POST' }), BUDGET);
  for (const response of [await call(), await call()]) {
    expect(response.status).toBe(200);
    expect(await response.json()).toMatchObject({ runId: run, state: 'failed', error: { code: 'cancelled' } });
  }
  expect((await app.work(await begin(), BUDGET)).state).toBe('succeeded');
});

it.each([false, true])(
  '`unlock` shows a lease, ends it with --yes alone, and names what is there (odd: %s)',
  async (odd) => {
    const run = await begin();
    if (odd) await put(store, 'leases/database.json', '{"a":');
    const shown = contextOf(store.env);
    expect(await unlock(shown, undefined, {})).toBe(0);
    const holder = odd ? null : run;
    expect(shown.said()).toMatchObject({
      leases: expect.arrayContaining([
        expect.objectContaining({ lease: 'database', readable: !odd, holder }),
      ]) as unknown,
      ended: null,
    });
    expect(await unlock(contextOf(store.env), 'database', {})).toBe(0);
    const stillHeld = startSnapshot(app.engine, 'cli');
    if (odd) await expect(stillHeld).rejects.toMatchObject({ code: 'locked' });
    else expect(await stillHeld).toMatchObject({ started: false, holder: run });
    expect(await unlock(contextOf(store.env), 'database', { yes: true })).toBe(0);
    expect((await app.work(await begin(), BUDGET)).state).toBe('succeeded');
    await expect(unlock(contextOf(store.env), 'nothing', { yes: true })).rejects.toMatchObject({ code: 'not-found' });
  },
);
