import { resolve } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import type { Locator, Page } from 'playwright-core';
import { startFunctionHost, type FunctionHost } from '../../lib/local/function-host/index.js';
import { startBrowser, type Browser } from './browser.js';
import { answerRestores, answerWith, openSignedIn } from './fixture-api.js';
import { badStatus, RUNNING, status } from './fixtures-status.js';
import { NOW, snapshotList } from './fixtures.js';

const ROOT = resolve(import.meta.dirname, '../..');
const PROBLEM = {
  type: 'about:blank',
  title: 'Store unavailable',
  status: 503,
  detail: 'The object store does not answer',
  code: 'store-unavailable',
  hint: 'Try again in a minute.',
};

jest.setTimeout(180_000);

describe('the page when something fails', () => {
  let host: FunctionHost;
  let browser: Browser;
  let page: Page;
  let complaints: string[];
  beforeAll(async () => {
    host = await startFunctionHost({ root: ROOT, env: {} });
    browser = await startBrowser();
  });
  afterEach(() => browser.closePages());
  afterAll(async () => {
    await browser.stop();
    await host.stop();
  });
  beforeEach(async () => {
    ({ page, complaints } = await browser.open());
  });

  const panel = (name: string): Locator => page.getByRole('region', { name, exact: true });
  const problem = (path: string, times = 1000): Promise<unknown> =>
    page.route(
      path,
      (route) => route.fulfill({ status: 503, json: PROBLEM, contentType: 'application/problem+json' }),
      { times },
    );

  it('shows the problem and its hint in the one panel, lets all others work, and tries again when asked', async () => {
    await openSignedIn(page, host.url);
    await panel('Snapshots').getByRole('table', { name: 'Snapshots, newest first' }).waitFor();
    await problem('**/api/snapshots?limit=200', 1);
    await page.getByRole('button', { name: 'Refresh' }).click();
    const alert = panel('Snapshots').getByRole('alert');
    await alert.waitFor();
    expect(await alert.innerText()).toMatch(
      /The object store does not answer[\s\S]*store-unavailable[\s\S]*Try again in a minute\./,
    );
    // What was known is still there, and said to be old.
    expect(await panel('Snapshots').getByRole('table', { name: 'Snapshots, newest first' }).count()).toBe(1);
    expect(
      await panel('Snapshots')
        .getByText(/^as of /)
        .count(),
    ).toBe(1);
    expect(await page.getByRole('alert').count()).toBe(1);
    await page.locator('.headline', { hasText: 'The data is safe' }).waitFor();
    await alert.getByRole('button', { name: 'Try again' }).click();
    await alert.waitFor({ state: 'detached' });
    expect(complaints).toEqual([]);
  });

  it('turns red in words, sign and colour when the recovery point is breached, whatever the status of the answer', async () => {
    await openSignedIn(page, host.url, { status: badStatus() });
    await page.locator('.headline', { hasText: 'The data is at risk' }).waitFor();
    const card = panel('Recovery point (RPO)');
    expect(await card.innerText()).toMatch(/✕\s*Breached[\s\S]*31 h 24 min/);
    const colour = await page.evaluate("getComputedStyle(document.querySelector('.objective.bad .figure')).color");
    expect(colour).toBe('rgb(163, 22, 31)');
    expect(await panel('Alerts').getByRole('listitem').count()).toBe(2);
  });

  it('never calls the data safe when the status is old, and says how old it is', async () => {
    await page.clock.install({ time: NOW });
    await answerWith(page);
    await page.goto(host.url);
    await page.getByLabel('Admin token').fill('token');
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.locator('.headline', { hasText: 'The data is safe' }).waitFor();
    await page.route('**/api/**', (route) => route.abort('internetdisconnected'));
    await page.clock.runFor(20_000);
    await page.locator('.headline', { hasText: 'Not known' }).waitFor();
    expect(await page.locator('.headline', { hasText: 'The data is safe' }).count()).toBe(0);
    await page.getByText('The server cannot be reached').first().waitFor();
    await page.clock.runFor(300_000);
    await page.getByText(/as of 03:12:\d\d UTC \(5 min ago\)/).waitFor();
    await page.unrouteAll({ behavior: 'ignoreErrors' });
    await answerWith(page);
    await page.clock.runFor(20_000);
    await page.locator('.headline', { hasText: 'The data is safe' }).waitFor();
  });

  it('says that it is old also when calls hang and none fails', async () => {
    await page.clock.install({ time: NOW });
    await answerWith(page);
    await page.goto(host.url);
    await page.getByLabel('Admin token').fill('token');
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.locator('.headline', { hasText: 'The data is safe' }).waitFor();
    await page.route('**/api/**', () => undefined);
    await page.clock.runFor(120_000);
    await page.locator('.headline', { hasText: 'Not known' }).waitFor();
  });

  it('signs out when the token is not taken any more, and says why', async () => {
    await openSignedIn(page, host.url);
    await page.locator('.headline', { hasText: 'The data is safe' }).waitFor();
    const refusal = { ...PROBLEM, status: 401, code: 'unauthorized', detail: 'The token was changed' };
    await page.route('**/api/status', (route) =>
      route.fulfill({ status: 401, json: refusal, contentType: 'application/problem+json' }),
    );
    await page.getByRole('button', { name: 'Refresh' }).click();
    await page.getByLabel('Admin token').waitFor();
    expect(await page.getByRole('alert').innerText()).toContain('The token was changed');
    expect(await page.evaluate('sessionStorage.length')).toBe(0);
  });

  it('shows why an action was not started, and lets it be tried again', async () => {
    await openSignedIn(page, host.url);
    await page.getByRole('button', { name: 'Drill…' }).click();
    await problem('**/api/drill', 1);
    await page.getByRole('button', { name: 'Start the drill' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByRole('alert').waitFor();
    expect(await dialog.innerText()).toMatch(/It was not started[\s\S]*Try again in a minute\./);
    expect(await dialog.getByRole('button', { name: 'Start the drill' }).isEnabled()).toBe(true);
  });

  it('follows a run whose call broke off after it had begun', async () => {
    const before = status({ runs: [] });
    const answers = { status: before };
    await openSignedIn(page, host.url, answers);
    await page.getByText('Nothing has run yet.').waitFor();
    await page.getByRole('button', { name: 'Back up now…' }).click();
    await page.route('**/api/backup', async (route) => {
      answers.status = status({ runs: [{ ...RUNNING, kind: 'snapshot', phase: 'scan' }] });
      await page.getByRole('dialog').getByText('reading the database ·').waitFor();
      await route.abort('connectionreset');
    });
    await page.getByRole('dialog').getByRole('button', { name: 'Back up now' }).click();
    await page.getByRole('dialog').getByText('reading the database ·').waitFor();
    await page.waitForResponse((response) => response.url().includes(RUNNING.runId));
    expect(await page.getByText('It was not started').count()).toBe(0);
  });

  it('takes the id of the snapshot, and nothing else, to restore everything', async () => {
    await openSignedIn(page, host.url);
    const orders = await answerRestores(page);
    await page.getByRole('button', { name: 'Restore…' }).click();
    await page.getByLabel('Everything').check();
    await page.getByRole('button', { name: 'Show the plan' }).click();
    const button = page.getByRole('button', { name: 'Restore everything' });
    const id = snapshotList().snapshots[0]?.id ?? '';
    for (const wrong of ['', 'yes', `${id}x`]) {
      await page.getByLabel('To go on, type').fill(wrong);
      expect(await button.isDisabled()).toBe(true);
    }
    await page.getByLabel('To go on, type').press('Enter');
    await page.getByLabel('To go on, type').fill(id);
    await button.click();
    await page.locator('p.end').filter({ hasText: 'every key was compared' }).waitFor();
    const order = { snapshot: id, scope: { all: true }, mode: 'replace' };
    expect(orders.map((text): unknown => JSON.parse(text))).toEqual([
      { ...order, dryRun: true, confirm: null },
      { ...order, dryRun: false, confirm: id },
    ]);
  });
});
