import { resolve } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import pMap from 'p-map';
import type { Page } from 'playwright-core';
import { startFunctionHost, type FunctionHost } from '../../dev/function-host/index.js';
import { silentLog } from '../../lib/app/in-process.js';
import { showDiff, showKeys, showSnapshot, showValue } from '../../lib/http/inspect.js';
import { rememberingStore, type Memory } from '../../lib/http/remembering-store.js';
import { showRun, showRuns } from '../../lib/http/runs.js';
import { showSnapshots } from '../../lib/http/snapshots.js';
import { showStatus } from '../../lib/http/status.js';
import type { View } from '../../lib/http/entry.js';
import { encodeJson } from '../../lib/json.js';
import type { ObjectStore } from '../../lib/ports/index.js';
import { newId, timeOfId } from '../../lib/runs/ids.js';
import { createRun, newRecord } from '../../lib/runs/records.js';
import type { RunRecord } from '../../lib/runs/model.js';
import { writeMarker } from '../../lib/runs/markers.js';
import { refreshCatalog } from '../../lib/snapshot/catalog-object.js';
import { sha256 } from '../../lib/snapshot/manifest.js';
import { countingStore, type CountingStore } from '../support/counting-store.js';
import { folderStore, type FolderStore } from '../support/folder-store.js';
import { makeSnapshot, UNSIGNED } from '../support/made-snapshots.js';
import { startBrowser, type Browser } from './browser.js';
import { signIn } from './fixture-api.js';
import { HOUR, MINUTE, NOW } from './fixtures.js';

const ROOT = resolve(import.meta.dirname, '../..');
const TOKEN = 'an-admin-token-of-32-characters-1';
const MOST_A_MINUTE = 10;
/** As long as it takes for every call to be made again. */
const MINUTES = 30;
/** As often as a run's record is asked for and, where there is no run, half as long as between two calls. */
const STEP_MS = { live: 10_000, idle: 30_000 };
const TASKS = 40;

const VIEWS: readonly (readonly [path: RegExp, view: View])[] = [
  [/\/api\/status$/, showStatus],
  [/\/api\/runs$/, showRuns],
  [/\/api\/runs\/[^/]+$/, showRun],
  [/\/api\/snapshots$/, showSnapshots],
  [/\/keys\/value$/, showValue],
  [/\/keys$/, showKeys],
  [/\/diff$/, showDiff],
  [/\/api\/snapshots\/[^/]+$/, showSnapshot],
];

describe('what the page costs while it is left open', () => {
  let folder: FolderStore;
  let counted: CountingStore;
  let host: FunctionHost;
  let browser: Browser;
  let snapshot = '';
  let now = NOW;
  /** Those under way, which get further in every step. */
  let live: RunRecord[] = [];
  const memory: Memory = new Map();
  const calls = { underWay: 0 };
  const saved = { ...process.env };

  beforeAll(async () => {
    folder = await folderStore();
    counted = countingStore(folder.store);
    const redis = { UPSTASH_REDIS_REST_URL: 'http://127.0.0.1:1', UPSTASH_REDIS_REST_TOKEN: 'none' };
    Object.assign(process.env, { ADMIN_TOKEN: TOKEN, ...redis });
    const source = sha256('127.0.0.1:1');
    const times = Array.from({ length: 40 }, (_, at) => NOW - (at + 1) * 6 * HOUR);
    const ids = await pMap(
      times,
      (at) => makeSnapshot(folder.store, { at: new Date(at).toISOString(), source, previous: null }),
      { concurrency: 8 },
    );
    snapshot = ids[0] ?? '';
    await pMap(ids, (id) => {
      const run = record('snapshot', timeOfId(id));
      return createRun(folder.store, { ...run, id, state: 'succeeded', finishedAt: run.createdAt });
    });
    for (const name of ['database', 'verify', 'prune', 'drill', 'replicate']) await renew(name, null);
    await refreshCatalog({ store: folder.store, signer: UNSIGNED });
    host = await startFunctionHost({ root: ROOT, env: {} });
    browser = await startBrowser();
  });
  afterEach(() => browser.closePages());
  afterAll(async () => {
    process.env = saved;
    await browser.stop();
    await host.stop();
    await folder.remove();
  });

  function record(kind: 'snapshot' | 'restore', at: number): RunRecord {
    const definition = { kind, lease: 'database', firstPhase: 'scan', words: {}, phases: {} } as const;
    const progress = { done: 4, total: 4, unit: 'keys', bytes: 9 } as const;
    const input = { trigger: 'cron', snapshot, scope: { all: true }, dryRun: false };
    return newRecord(newId(at), definition, { kind, input, checkpoint: null, progress }, 1, at);
  }

  async function put(name: string, body: object): Promise<void> {
    const found = await folder.store.read(name);
    if (found === null) await folder.store.create(name, encodeJson(body));
    else await folder.store.swap(name, encodeJson(body), found.etag);
  }
  const renew = (name: string, holder: string | null): Promise<void> =>
    put(`leases/${name}.json`, { holder, leg: null, fence: 7, legTtlMs: 60_000, holdMs: 900_000, beat: String(now) });

  /** As a run that works: its record and its lease are written again and again. */
  async function getFurther(): Promise<void> {
    const at = new Date(now).toISOString();
    for (const run of live) {
      const progress = { ...run.progress, done: run.progress.done + 1, total: 100_000 };
      Object.assign(run, { progress, progressedAt: at, updatedAt: at });
      await put(`runs/${run.id}/run.json`, run);
      await renew(run.lease, run.id);
    }
  }

  async function begin(tasks: number, lease = 'database'): Promise<RunRecord> {
    const run = { ...record('restore', now), tasks, attempts: 1, lease };
    await createRun(folder.store, run);
    for (let task = 0; task < tasks / 2; task++) await writeMarker(folder.store, run.id, run.phase, task, null);
    live.push(run);
    return run;
  }

  async function answer(request: Request): Promise<Response> {
    const { pathname } = new URL(request.url);
    const view = VIEWS.find(([path]) => path.test(pathname))?.[1];
    if (view === undefined) throw new Error(`nothing answers ${pathname}`);
    const clock = { now: () => now, sleep: () => Promise.resolve() };
    const store: ObjectStore = rememberingStore(counted.store, memory);
    return view({ clock, log: silentLog(), signer: UNSIGNED, store }, request);
  }

  async function open(address: string): Promise<Page> {
    const { page } = await browser.open();
    await page.clock.install({ time: now });
    await page.route('**/api/**', async (route) => {
      calls.underWay += 1;
      const request = route.request();
      const given = new Request(request.url(), { headers: await request.allHeaders() });
      const found = await answer(given);
      await route.fulfill({
        status: found.status,
        headers: Object.fromEntries(found.headers),
        body: await found.text(),
      });
      calls.underWay -= 1;
    });
    await page.goto(`${host.url}/${address}`);
    await signIn(page, TOKEN);
    await page.locator('main h1').waitFor({ state: 'attached' });
    await quiet(page);
    return page;
  }

  /** Until every call has been answered and drawn. */
  async function quiet(page: Page): Promise<void> {
    do await page.evaluate('new Promise((drawn) => requestAnimationFrame(drawn))').catch(() => undefined);
    while (calls.underWay > 0);
  }

  it.each([
    ['the overview', () => ''],
    ['the overview with a run under way', async () => (await begin(0), '')],
    ['the overview with two runs under way', async () => (await begin(TASKS), await begin(0, 'drill'), '')],
    ['a run under way', async () => `#/runs/${(await begin(0)).id}`],
    ['a run whose tasks are done one by one', async () => `#/runs/${(await begin(TASKS)).id}`],
    ['a plan that is being made', async () => `#/restore?plan=${(await begin(TASKS)).id}`],
    ['the runs', () => '#/runs'],
    ['the snapshots', () => '#/snapshots'],
    ['a snapshot', () => `#/snapshots/${snapshot}?contains=feed`],
    ['a project', () => '#/projects/p'],
    ['the health', () => '#/health'],
  ])('is at most ten reads of the store a minute: %s', async (_what, prepare) => {
    const page = await open(await prepare());
    counted.reads();
    const step = live.length > 0 ? STEP_MS.live : STEP_MS.idle;
    for (let ms = 0; ms < MINUTES * MINUTE; ms += step) {
      now += step;
      await getFurther();
      await page.clock.runFor(step);
      await quiet(page);
    }
    for (const run of live)
      await put(`runs/${run.id}/run.json`, { ...run, state: 'succeeded', finishedAt: run.updatedAt });
    live = [];
    expect(counted.reads() / MINUTES).toBeLessThanOrEqual(MOST_A_MINUTE);
  });
});
