import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import pMap from 'p-map';
import type { Page } from 'playwright-core';
import { startFunctionHost, type FunctionHost } from '../../dev/function-host/index.js';
import { newId } from '../../lib/runs/ids.js';
import { createRun, newRecord } from '../../lib/runs/records.js';
import { refreshCatalog } from '../../lib/snapshot/catalog-object.js';
import { sha256 } from '../../lib/snapshot/manifest.js';
import { folderStore, type FolderStore } from '../support/folder-store.js';
import { makeSnapshot, UNSIGNED } from '../support/made-snapshots.js';
import { startBrowser, type Browser } from './browser.js';
import { signIn } from './fixture-api.js';

const ROOT = resolve(import.meta.dirname, '../..');
const TOKEN = 'an-admin-token-of-32-characters-1';
const HOUR_MS = 3_600_000;
const [RUNS, SNAPSHOTS] = [2000, 500];
const LINKS = "[...document.querySelectorAll('main tbody a')].map((link) => link.getAttribute('href'))";

describe('the page over 2,000 runs and 500 snapshots', () => {
  let folder: FolderStore;
  let host: FunctionHost;
  let browser: Browser;
  let page: Page;
  let complaints: string[];
  beforeAll(async () => {
    folder = await folderStore();
    const { store } = folder;
    const now = Date.now();
    const source = sha256('127.0.0.1:1');
    const times = (count: number): number[] => Array.from({ length: count }, (_, at) => now - (count - at) * HOUR_MS);
    await pMap(
      times(SNAPSHOTS),
      (at) => makeSnapshot(store, { at: new Date(at).toISOString(), source, signer: UNSIGNED, previous: null }),
      { concurrency: 8 },
    );
    await refreshCatalog({ store, signer: UNSIGNED });
    const definition = { kind: 'verify', lease: 'verify', firstPhase: 'open', words: {}, phases: {} } as const;
    const progress = { done: 4, total: 4, unit: 'keys', bytes: 9 } as const;
    await pMap(
      times(RUNS),
      (at) => {
        const request = { kind: 'verify', input: { snapshot: newId(at) }, checkpoint: null, progress } as const;
        const record = newRecord(newId(at), definition, request, 1, at);
        return createRun(store, { ...record, state: 'succeeded', finishedAt: record.createdAt });
      },
      { concurrency: 8 },
    );
    const variables = { ADMIN_TOKEN: TOKEN, BACKUP_STORE: pathToFileURL(folder.folder).href };
    const redis = { UPSTASH_REDIS_REST_URL: 'http://127.0.0.1:1', UPSTASH_REDIS_REST_TOKEN: 'none' };
    host = await startFunctionHost({ root: ROOT, env: { ...variables, ...redis }, onLog: () => undefined });
    browser = await startBrowser();
    ({ page, complaints } = await browser.open({ viewport: { width: 375, height: 900 } }));
    await page.goto(`${host.url}/#/runs`);
    await signIn(page, TOKEN);
  });
  afterAll(async () => {
    await browser.stop();
    await host.stop();
    await folder.remove();
  });

  const rowsOf = (caption: string) => page.getByRole('table', { name: caption }).locator('tbody tr');
  const fits = (): Promise<boolean> => page.evaluate('document.documentElement.scrollWidth <= innerWidth');

  /** Goes through all pages by the link; returns the first cells of their rows. */
  async function through(caption: string): Promise<string[]> {
    const seen: string[] = [];
    for (;;) {
      await rowsOf(caption).first().waitFor();
      seen.push(...(await page.evaluate<string[]>(LINKS)));
      expect(await fits()).toBe(true);
      const older = page.getByRole('link', { name: 'Older', exact: true });
      if ((await older.count()) === 0) return seen;
      const first = await rowsOf(caption).first().locator('a').first().getAttribute('href');
      await older.click();
      await rowsOf(caption)
        .locator(`a[href="${first ?? ''}"]`)
        .first()
        .waitFor({ state: 'detached' });
    }
  }

  it('shows every run once, a page of fifty at a time', async () => {
    const runs = (await through('Runs, newest first')).filter((href) => href.startsWith('#/runs/'));
    expect([runs.length, new Set(runs).size]).toEqual([RUNS, RUNS]);
    expect(await rowsOf('Runs, newest first').count()).toBe(50);
    await page.goBack();
    await page.getByRole('link', { name: 'Older', exact: true }).waitFor();
  });

  it('shows every snapshot once, a page of twenty-five at a time, and those of a state', async () => {
    await page.goto(`${host.url}/#/snapshots`);
    const snapshots = (await through('Snapshots, newest first')).filter((href) => href.startsWith('#/snapshots/'));
    expect([snapshots.length, new Set(snapshots).size]).toEqual([SNAPSHOTS, SNAPSHOTS]);
    expect(await rowsOf('Snapshots, newest first').count()).toBe(25);
    await page.goto(`${host.url}/#/snapshots?worth=doubtful`);
    await page.getByText('No snapshot matches.').waitFor();
  });

  it('draws no more than a page of them anywhere, and asks for each list once', async () => {
    const calls: string[] = [];
    await page.goto(`${host.url}/#/snapshots`);
    page.on('request', (request) => calls.push(new URL(request.url()).pathname));
    await page.reload();
    await rowsOf('Snapshots, newest first').first().waitFor();
    for (const view of ['#/snapshots?page=20', '#/', '#/runs', '#/health']) {
      await page.goto(`${host.url}/${view}`);
      await page.locator('main .panel').first().waitFor();
      expect(await page.evaluate<number>("document.querySelectorAll('*').length")).toBeLessThan(2000);
      expect(await fits()).toBe(true);
    }
    for (const path of ['/api/snapshots', '/api/runs'])
      expect([path, calls.filter((call) => call === path).length]).toEqual([path, 1]);
    expect(complaints).toEqual([]);
  });
});
