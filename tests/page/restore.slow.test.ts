import { resolve } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { Page } from 'playwright-core';
import { startFunctionHost, type FunctionHost } from '../../dev/function-host/index.js';
import { startBrowser, type Browser } from './browser.js';
import { answerRestores, openSignedIn, restored, type Answers } from './fixture-api.js';
import { status } from './fixtures-status.js';
import { NOW, snapshotList } from './fixtures.js';

const ROOT = resolve(import.meta.dirname, '../..');
const PROJECT = 'cm3k8x2p40001l508acme';

describe('what the page does before a restore', () => {
  let host: FunctionHost;
  let browser: Browser;
  let page: Page;
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
    ({ page } = await browser.open());
  });

  const open = (at = '', answers: Answers = {}): Promise<void> => openSignedIn(page, `${host.url}/${at}`, answers);
  const type = (word: string): Promise<void> => page.getByLabel('To confirm').fill(word);
  const dry = { snapshot: snapshotList().snapshots[0]?.id ?? '', scope: { project: PROJECT }, dryRun: true };
  const planAt = (query: string): string => `#/restore?scope=project&project=${PROJECT}&plan=${query}`;

  it('shows the notes of a plan: the keys left out as erased, and others', async () => {
    const erased = 'Left out, since their user or project is on the erasure list: 4 keys of the snapshot.';
    const plan = { ...restored('plan', dry), notes: [erased, 'See `npx soulcaster-backup erasures list`.'] };
    await open(planAt('plan'), { runs: [plan] });
    const notes = page.getByRole('list', { name: 'Notes' });
    expect(await notes.innerText()).toContain(erased);
    expect(await notes.locator('code').innerText()).toBe('npx soulcaster-backup erasures list');
    await page.goto(`${host.url}/#/runs/plan`);
    await page.getByText(erased).waitFor();
  });

  it('does not confirm an old plan: it must be made again', async () => {
    const hourAgo = new Date(NOW - 3_600_000).toISOString();
    const old = { ...restored('old', dry), createdAt: hourAgo, finishedAt: hourAgo };
    await open(planAt('old'), { status: status({ runs: [] }), runs: [old] });
    const orders = await answerRestores(page);
    await page.getByText('This plan is 1 h 0 min old').waitFor();
    expect(await page.getByLabel('To confirm').count()).toBe(0);
    expect(await page.getByRole('button', { name: 'Restore now' }).count()).toBe(0);
    await page.getByRole('button', { name: 'Make the plan again' }).click();
    await type(PROJECT);
    expect(page.url()).toContain('plan=restore-1');
    expect(orders).toMatchObject([{ ...dry, mode: 'replace', confirm: null }]);
  });

  it('does not confirm a plan after another restore', async () => {
    await open(planAt('plan'), { runs: [restored('plan', dry)] });
    await page
      .getByText('Another restore has written to the database since this plan was started, or is writing now.')
      .waitFor();
    expect(await page.getByLabel('To confirm').count()).toBe(0);
  });

  it('shows a plan that cannot restore everything, with the reason, and lets it be carried out', async () => {
    const error = { code: 'incomplete', message: '2 keys are left as they are', hint: 'Rename them.' };
    const plan = { ...restored('part', dry), state: 'incomplete' as const, error };
    await open(planAt('part'), { status: status({ runs: [] }), runs: [plan] });
    await page.getByRole('alert').waitFor();
    expect(await page.getByRole('alert').innerText()).toMatch(/Not everything can be restored[\s\S]*2 keys are left/);
    await page.getByText('60 written, 4 overwritten').waitFor();
    await type(PROJECT);
    expect(await page.getByRole('button', { name: 'Restore now' }).isEnabled()).toBe(true);
  });

  it('shows a plan that would be refused, with the reason, and does not confirm it', async () => {
    const error = { code: 'not-restorable', message: 'The target has no room', hint: 'Raise the data size.' };
    const plan = { ...restored('full', dry), state: 'failed' as const, error };
    await open(planAt('full'), { status: status({ runs: [] }), runs: [plan] });
    await page.getByText('A restore by this plan would be refused').waitFor();
    await page.getByText('60 written, 4 overwritten').waitFor();
    expect(await page.getByLabel('To confirm').count()).toBe(0);
  });

  it('takes a star literally in a name, and as a wildcard in a pattern', async () => {
    await open('#/restore?scope=keys', { status: status({ runs: [] }) });
    const orders = await answerRestores(page);
    await page.getByLabel('Keys, one per line').fill('feedback:*\n"two\\nlines"');
    await page.getByRole('button', { name: 'Show the plan' }).click();
    await page.getByRole('link', { name: 'Back to the choices' }).click();
    await page.getByRole('radio', { name: /^Keys that match/ }).check();
    await page.getByLabel('Patterns, one per line').fill('config:*');
    await page.getByRole('button', { name: 'Show the plan' }).click();
    await page.getByRole('heading', { name: 'Confirm' }).waitFor();
    const none = { projects: [], families: [], keys: [], matches: [] };
    expect(orders).toMatchObject([
      { scope: { ...none, keys: ['feedback:*', 'two\nlines'] } },
      { scope: { ...none, matches: ['config:*'] } },
    ]);
  });

  it('restores everything only after the id of the snapshot was typed', async () => {
    await open('#/restore?scope=all', { status: status({ runs: [] }) });
    const orders = await answerRestores(page);
    await page.getByRole('button', { name: 'Show the plan' }).click();
    const button = page.getByRole('button', { name: 'Restore now' });
    await page.getByText('60 written, 4 overwritten, 1 removed, 312 untouched').waitFor();
    const id = snapshotList().snapshots[0]?.id ?? '';
    for (const wrong of ['', 'yes', `${id}x`]) {
      await page.getByLabel('To confirm').fill(wrong);
      expect(await button.isDisabled()).toBe(true);
    }
    await page.getByLabel('To confirm').press('Enter');
    await page.getByLabel('To confirm').fill(id);
    await button.click();
    await page.getByText('every key was compared').waitFor();
    const order = { snapshot: id, scope: { all: true }, mode: 'replace' };
    expect(orders).toEqual([
      { ...order, dryRun: true, confirm: null },
      { ...order, dryRun: false, confirm: id },
    ]);
  });
});
