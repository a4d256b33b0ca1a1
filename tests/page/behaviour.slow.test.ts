import { resolve } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { Page } from 'playwright-core';
import { startFunctionHost, type FunctionHost } from '../../dev/function-host/index.js';
import { startBrowser, tabUntil, type Browser } from './browser.js';
import { answerRestores, answerWith, openSignedIn, restored, signIn, TOKEN, type Answers } from './fixture-api.js';
import { badStatus, RUNNING, runView, serviceDown, status } from './fixtures-status.js';
import { HOSTILE, NOW, oddProjects, snapshotList } from './fixtures.js';

const ROOT = resolve(import.meta.dirname, '../..');
const PROJECT = 'cm3k8x2p40001l508acme';
const RESTORE = `#/restore?scope=project&project=${PROJECT}`;
const PROBLEM = {
  type: 'about:blank',
  title: 'Store unavailable',
  status: 503,
  detail: 'The object store does not answer',
  code: 'store-unavailable',
  hint: 'Try again in a minute.',
};

describe('what the page does', () => {
  let host: FunctionHost;
  let browser: Browser;
  let page: Page;
  let complaints: string[];
  beforeAll(async () => {
    host = await startFunctionHost({ root: ROOT, env: { ADMIN_TOKEN: 'a-secret-of-the-functions' } });
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

  const headline = (text: string): Promise<void> => page.locator('.headline', { hasText: text }).waitFor();
  const open = (at = '', answers: Answers = {}): Promise<void> => openSignedIn(page, `${host.url}/${at}`, answers);
  const problem = (path: string, times = 1000, changes: object = {}): Promise<unknown> => {
    const json = { ...PROBLEM, ...changes };
    return page.route(
      path,
      (route) => route.fulfill({ status: json.status, json, contentType: 'application/problem+json' }),
      { times },
    );
  };

  describe('with addresses', () => {
    it('keeps view, search and dialog through reload and back', async () => {
      await open();
      await headline('The data is safe');
      await page.getByRole('link', { name: 'Runs', exact: true }).click();
      await page.getByRole('heading', { name: 'Runs', level: 1 }).waitFor();
      expect(await page.evaluate('document.activeElement.tagName')).toBe('H1');
      await page.getByLabel('Kind').selectOption('restore');
      await page.getByRole('link', { name: /Restore · Acme API/ }).click();
      await page.getByRole('heading', { name: /Restore · Acme API · from .* · LIVE/ }).waitFor();
      await page.reload();
      await page.getByRole('heading', { name: /Restore · Acme API/ }).waitFor();
      await page.goBack();
      await page.getByRole('heading', { name: 'Runs', level: 1 }).waitFor();
      expect(await page.getByLabel('Kind').inputValue()).toBe('restore');
      await page.goto(`${host.url}/#/snapshots?do=backup`);
      await page.getByRole('dialog', { name: 'Back up now' }).waitFor();
      await page.reload();
      await page.getByRole('dialog', { name: 'Back up now' }).waitFor();
      await page.goto(`${host.url}/#/snapshots?do=verify`);
      await page.reload();
      await page
        .getByRole('dialog')
        .getByText(`verify ${snapshotList().snapshots[0]?.id ?? ''}`)
        .waitFor();
      await page.goto(`${host.url}/#/snapshots?do=backup`);
      await page.getByRole('dialog', { name: 'Back up now' }).waitFor();
      await page.keyboard.press('Escape');
      await page.getByRole('dialog').waitFor({ state: 'detached' });
      expect(page.url()).toBe(`${host.url}/#/snapshots`);
      expect(complaints).toEqual([]);
    });

    it('says so where there is no such view', async () => {
      await open('#/nowhere');
      await page.getByRole('heading', { name: 'There is no such view' }).waitFor();
    });
  });

  describe('when something fails', () => {
    it('shows reason and hint in place, marks old data, and retries on request', async () => {
      await open('#/snapshots');
      await page.getByRole('table', { name: 'Snapshots, newest first' }).waitFor();
      await problem('**/api/snapshots?limit=500', 1);
      await page.getByRole('button', { name: 'Refresh' }).click();
      const alert = page.getByRole('alert');
      await alert.waitFor();
      expect(await alert.innerText()).toMatch(/does not answer[\s\S]*store-unavailable[\s\S]*Try again in a minute\./);
      expect(await page.getByRole('table', { name: 'Snapshots, newest first' }).count()).toBe(1);
      expect(await page.getByText(/^Out of date: as of /).count()).toBe(1);
      await alert.getByRole('button', { name: 'Try again' }).click();
      await alert.waitFor({ state: 'detached' });
      expect(complaints).toEqual([]);
    });

    it('says in words, sign, colour, title and icon that the data is at risk, and what to do first', async () => {
      await open('', { status: badStatus() });
      await headline('The data is at risk');
      const first = page.locator('.reasons li').first();
      expect(await first.innerText()).toMatch(
        /✕\s*Redis refuses the token\. Mend redis as the runbook says\. What to do/,
      );
      expect(await page.title()).toBe('✕ Overview · production');
      expect(await page.locator('link[rel="icon"]').getAttribute('href')).toBe('/icon-bad.svg');
      await first.getByRole('link').click();
      await page.locator('main .hint', { hasText: 'Mend redis as the runbook says.' }).waitFor();
    });

    it('distinguishes two restores of the same scope', async () => {
      const other = { ...RUNNING, runId: RUNNING.runId.replace(/.{6}$/, 'two222') };
      await open('', { status: status({ runs: [RUNNING, other] }) });
      await headline('The data is safe');
      for (const { runId } of [RUNNING, other])
        await page.getByRole('region', { name: 'Now', exact: true }).getByText(runId).waitFor();
    });

    it('offers to restore the same again after a restore that failed, and shows instants in words', async () => {
      const error = { code: 'x', message: 'Redis is gone since 2026-11-24T02:00:00.000Z', hint: 'Run `doctor`.' };
      const failed = runView({ ...RUNNING, runId: 'failed', state: 'failed', finishedAt: RUNNING.updatedAt, error });
      await open('#/runs/failed', { runs: [failed] });
      await page.getByRole('link', { name: 'Restore again…' }).click();
      await page.getByRole('heading', { name: 'Restore', level: 1 }).waitFor();
      expect(await page.getByLabel('Project', { exact: true }).inputValue()).toBe(PROJECT);
      await answerWith(page, { status: serviceDown('redis', error.message) });
      await page.getByRole('link', { name: 'Overview' }).click();
      await page.getByRole('button', { name: 'Refresh' }).click();
      await page.getByText('Redis is gone since 2026-11-24 02:00 UTC.').waitFor();
    });

    it('shows deployment and actions even when the status fails', async () => {
      await open('', { status: 500, snapshots: { ...snapshotList(), deployment: status().deployment } });
      await headline('Not known');
      await page.getByText('eu1-merry-cat-31337.upstash.io').waitFor();
      expect(await page.getByText('Loading').count()).toBe(0);
      expect(await page.getByRole('link', { name: 'Restore…' }).count()).toBe(1);
    });

    it('never calls the data safe when the status is old, whether calls fail or hang', async () => {
      await page.clock.install({ time: NOW });
      await answerWith(page);
      await page.goto(host.url);
      await signIn(page, 'token');
      await headline('The data is safe');
      await page.route('**/api/**', (route) => route.abort('internetdisconnected'));
      await page.clock.runFor(70_000);
      await headline('Not known');
      await page.getByText('The server cannot be reached').first().waitFor();
      expect(await page.locator('link[rel="icon"]').getAttribute('href')).toBe('/icon-warn.svg');
      await page.unrouteAll({ behavior: 'ignoreErrors' });
      await answerWith(page);
      await page.clock.runFor(70_000);
      await headline('The data is safe');
      await page.route('**/api/**', () => undefined);
      await page.clock.runFor(120_000);
      await headline('Not known');
    });

    it('does not move the sign-in form when the state of the deployment arrives', async () => {
      const button = page.getByRole('button', { name: 'Sign in' });
      let before: unknown = null;
      await page.route('**/api/status', async (route) => {
        before = await button.boundingBox();
        await route.fulfill({ json: { state: 'ok', at: NOW, label: 'production' } });
      });
      await page.goto(host.url);
      await page.getByText('all four answers are ok').waitFor();
      expect(await button.boundingBox()).toEqual(before);
    });

    it('prompts for a new token when the old one is refused, and keeps the input', async () => {
      await open(RESTORE);
      await page.getByLabel('Some keys').check();
      await page.getByLabel('Keys, one per line').fill('feedback:1\ncluster:*');
      const refused = { status: 401, code: 'unauthorized', detail: 'The token was changed' };
      await problem('**/api/status', 1, refused);
      await page.getByRole('button', { name: 'Refresh' }).click();
      const dialog = page.getByRole('dialog', { name: 'Sign in again' });
      await dialog.waitFor();
      expect(await dialog.innerText()).toContain('The token was changed');
      expect(await page.evaluate('sessionStorage.length')).toBe(0);
      await page.keyboard.press('Escape');
      expect(await dialog.count()).toBe(1);
      await dialog.getByLabel('Admin token').fill(TOKEN);
      await dialog.getByRole('button', { name: 'Sign in' }).click();
      await dialog.waitFor({ state: 'detached' });
      expect(await page.getByLabel('Keys, one per line').inputValue()).toBe('feedback:1\ncluster:*');
    });

    it('shows why an action was refused, and lets it be retried', async () => {
      await open('#/?do=drill');
      await problem('**/api/drill', 1, { status: 409, code: 'locked', detail: 'Run x is drilling' });
      await page.getByRole('button', { name: 'Start the drill' }).click();
      const dialog = page.getByRole('dialog');
      await dialog.getByRole('alert').waitFor();
      expect(await dialog.innerText()).toMatch(/It was not started[\s\S]*Run x is drilling/);
      expect(await dialog.getByRole('button', { name: 'Start the drill' }).isEnabled()).toBe(true);
    });

    it('searches for an unconfirmed run before it reports', async () => {
      await page.clock.install({ time: NOW });
      const answers: Answers = { status: status({ runs: [] }), runs: [] };
      await answerWith(page, answers);
      await page.goto(`${host.url}/#/?do=backup`);
      await signIn(page, TOKEN);
      await page.route('**/api/backup', (route) => route.abort('connectionreset'));
      await page.getByRole('dialog').getByRole('button', { name: 'Back up now' }).click();
      await page.getByText('Searching for the run').waitFor();
      expect(await page.getByText('It was not started').count()).toBe(0);
      answers.runs = [runView({ ...RUNNING, runId: 'found', kind: 'snapshot', title: 'backup', input: null })];
      while (!page.url().endsWith('#/runs/found')) await page.clock.runFor(1000);
      await page.getByRole('heading', { name: 'Backup' }).waitFor();
    });

    it('reports that no run was found, not that none was started', async () => {
      await page.clock.install({ time: NOW });
      await answerWith(page, { status: status({ runs: [] }) });
      await page.goto(`${host.url}/#/?do=backup`);
      await signIn(page, TOKEN);
      await problem('**/api/backup');
      await page.getByRole('dialog').getByRole('button', { name: 'Back up now' }).click();
      await page.getByText('Searching for the run').waitFor();
      const said = page.getByText('The server did not answer, and no new run was found');
      while ((await said.count()) === 0) await page.clock.runFor(1000);
      expect(await page.getByText('It was not started').count()).toBe(0);
    });

    it('distinguishes null from zero, whatever is down', async () => {
      await open('#/projects', { projects: oddProjects() });
      const rows = page.getByRole('row');
      await rows.filter({ hasText: 'xxxx' }).getByText('not known').waitFor();
      await page.getByText('a new project may be missing').waitFor();
      expect(await page.getByText(HOSTILE).count()).toBe(1);
      expect(await page.locator('img').count()).toBe(0);
      expect(complaints).toEqual([]);
    });
  });

  describe('with the keyboard alone', () => {
    const tabTo = (name: string | RegExp): Promise<void> => tabUntil(page, name);
    const press = (key: string): Promise<void> => page.keyboard.press(key);

    it('signs in, restores a project and undoes it', async () => {
      await answerWith(page, { status: status({ runs: [] }) });
      await page.clock.setFixedTime(NOW);
      await page.goto(host.url);
      const orders = await answerRestores(page);
      await page.getByLabel('Admin token').waitFor();
      await page.keyboard.type(TOKEN);
      await press('Enter');
      await headline('The data is safe');
      await tabTo('Restore…');
      await press('Enter');
      await page.getByRole('heading', { name: 'Restore', level: 1 }).waitFor();
      await tabTo('Project');
      await page.keyboard.type(PROJECT);
      await tabTo('Show the plan');
      await press('Enter');
      await page.getByRole('heading', { name: 'Confirm' }).waitFor();
      expect(await page.evaluate('document.activeElement.textContent')).toBe('Confirm');
      await tabTo('To confirm');
      await page.keyboard.type(PROJECT);
      await press('Enter');
      await page.getByText('every key was compared with the snapshot').waitFor();
      await tabTo('Undo this restore');
      await press('Enter');
      await page.getByRole('heading', { name: 'Confirm' }).waitFor();
      expect(await page.evaluate('document.activeElement.textContent')).toBe('Confirm');
      await tabTo('To confirm');
      await page.keyboard.type(PROJECT);
      await press('Enter');
      await page.getByText('every key was compared with the snapshot').waitFor();
      const order = { scope: { project: PROJECT }, mode: 'replace' };
      const undo = { snapshot: '20261124T031000Z-s4f3ty', scope: { project: PROJECT } };
      expect(orders).toMatchObject([
        { ...order, dryRun: true, confirm: null },
        { ...order, dryRun: false, confirm: PROJECT },
        { ...undo, dryRun: true },
        { ...undo, mode: 'replace', dryRun: false, confirm: PROJECT },
      ]);
    });

    it('cancels a run after a confirmation', async () => {
      await open(`#/runs/${RUNNING.runId}`);
      let cancelled = 0;
      await page.route('**/cancel', async (route) => {
        cancelled += 1;
        await route.fulfill({ json: restored(RUNNING.runId, {}) });
      });
      await page.getByRole('heading', { name: /Restore/ }).waitFor();
      await tabTo('Cancel this run');
      await press('Enter');
      await page.getByText('is marked as unfinished').waitFor();
      expect(cancelled).toBe(0);
      expect(await page.evaluate('document.activeElement.textContent')).toBe('Cancel the run');
      await press('Enter');
      await page.getByRole('button', { name: 'Cancel this run…' }).waitFor();
      expect(cancelled).toBe(1);
    });

    it('keeps the focus in a dialog, opens it on its first field, and gives the focus back', async () => {
      await open();
      await headline('The data is safe');
      await page.getByRole('link', { name: 'Verify…' }).focus();
      await press('Enter');
      await page.getByRole('dialog').waitFor();
      expect(await page.evaluate('document.activeElement.tagName')).toBe('SELECT');
      for (let step = 0; step < 10; step++) {
        await press('Tab');
        const outside = "document.activeElement !== document.body && document.activeElement.closest('dialog') === null";
        expect(await page.evaluate(outside)).toBe(false);
      }
      await press('Escape');
      await page.getByRole('dialog').waitFor({ state: 'detached' });
      expect(await page.evaluate('document.activeElement.textContent')).toBe('Verify…');
    });
  });

  it('shows the other views when one fails to render', async () => {
    const [first] = snapshotList().snapshots;
    await open('#/snapshots');
    await page.route(`**/api/snapshots/${first?.id ?? ''}`, (route) => route.fulfill({ json: { createdAt: 3 } }));
    await page.goto(`${host.url}/#/snapshots/${first?.id ?? ''}`);
    await page.getByRole('heading', { name: 'This view cannot be shown' }).waitFor();
    await page.getByRole('link', { name: 'Overview' }).click();
    await headline('The data is safe');
  });

  it('changes theme and zone on request, and keeps them', async () => {
    await open();
    const ground = (): Promise<string> => page.evaluate('getComputedStyle(document.body).backgroundColor');
    const light = await ground();
    await page.getByRole('button', { name: 'Dark theme' }).click();
    await page.getByRole('button', { name: 'Light theme' }).waitFor();
    await page.getByRole('button', { name: 'Local time' }).click();
    await page.reload();
    await page.getByRole('button', { name: 'Light theme' }).waitFor();
    expect(await ground()).not.toBe(light);
    expect(await page.getByRole('button', { name: 'UTC', exact: true }).count()).toBe(1);
  });
});
