import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import type { Locator, Page } from 'playwright-core';
import { changes, dumpOf } from '../support/dumps.js';
import { startBrowser, type Browser } from './browser.js';
import { signIn } from './fixture-api.js';
import { beginOn, closeOn, dialogOf, endOn, figuresUntilEnd, panelOf, pressOn } from './operator.js';
import { HOSTILE } from './fixtures.js';
import { pageStack, type PageStack } from './stack.js';

jest.setTimeout(360_000);

/** Each step goes on from where the one before left the stack and the page, as an operator's night does. */
describe('the page over the real functions', () => {
  let stack: PageStack;
  let browser: Browser;
  let page: Page;
  let complaints: string[];
  beforeAll(async () => {
    [stack, browser] = await Promise.all([pageStack(), startBrowser()]);
    ({ page, complaints } = await browser.open());
    page.setDefaultTimeout(120_000);
    await page.goto(stack.url);
  });
  afterAll(async () => {
    await browser.stop();
    await stack.stop();
  });

  const panel = (name: string): Locator => panelOf(page, name);
  const dialog = (): Locator => dialogOf(page);
  const begin = (button: string): Promise<void> => beginOn(page, button);
  const press = (button: string): Promise<void> => pressOn(page, button);
  const endOf = (): Promise<string> => endOn(page);
  const close = (): Promise<void> => closeOn(page);
  const kept = (): Promise<string> => page.evaluate('JSON.stringify([{ ...sessionStorage }, { ...localStorage }])');

  it('does not let a wrong token in, says so and keeps nothing', async () => {
    await signIn(page, `${stack.token}x`);
    const alert = page.getByRole('alert');
    await alert.waitFor();
    expect(await alert.innerText()).toContain('The token was not accepted');
    expect(await kept()).toBe('[{},{}]');
    await signIn(page, 'grüße');
    await page.getByText('That cannot be a token').waitFor();
    expect(await kept()).toBe('[{},{}]');
  });

  it('lets the right one in, and keeps it for the tab alone, never in the address', async () => {
    await signIn(page, stack.token);
    await page.getByRole('heading', { name: 'Snapshots' }).waitFor();
    expect(JSON.parse(await kept())).toEqual([{ 'soulcaster-backup.token': stack.token }, {}]);
    expect(page.url()).toBe(`${stack.url}/`);
    await page.reload();
    await page.getByRole('heading', { name: 'Snapshots' }).waitFor();
  });

  it('shows in words that there is no backup', async () => {
    await page.locator('.headline', { hasText: 'The data is at risk' }).waitFor();
    const card = panel('Recovery point (RPO)');
    expect(await card.innerText()).toMatch(/Breached[\s\S]*No backup/);
    expect(await card.getAttribute('class')).toContain('bad');
    expect(await page.title()).toBe('✕ soulcaster-backup');
  });

  it('backs up, with progress that moves', async () => {
    stack.slowDown(200);
    await begin('Back up now');
    expect(await dialog().getByText('npx soulcaster-backup backup --env-file .env').count()).toBe(1);
    await press('Back up now');
    const seen = await figuresUntilEnd(page);
    stack.slowDown(0);
    expect(await endOf()).toMatch(/succeeded.*Done: [\d,]+ keys saved and read back/s);
    expect(seen.size).toBeGreaterThan(2);
    await close();
    await page.locator('.headline', { hasText: 'The data is safe' }).waitFor();
    expect(await panel('Recovery point (RPO)').innerText()).toContain('Met');
    expect(await page.title()).toBe('✓ soulcaster-backup');
    await panel('Snapshots').getByRole('cell', { name: 'verified', exact: true }).waitFor();
  });

  it('verifies a snapshot', async () => {
    const [newest = ''] = await snapshots();
    await panel('Snapshots')
      .getByRole('button', { name: `Verify ${newest}` })
      .click();
    expect(await dialog().innerText()).toContain(`npx soulcaster-backup verify ${newest} --env-file .env`);
    await press('Verify');
    expect(await endOf()).toMatch(/succeeded.*are as they were saved/s);
    await close();
  });

  it('shows the name of a project as text, whatever it is', async () => {
    await page.getByRole('button', { name: 'Refresh' }).click();
    const row = panel('Projects').getByRole('row').filter({ hasText: HOSTILE });
    await row.waitFor();
    expect(await page.locator('img').count()).toBe(0);
    expect(complaints).toEqual([]);
  });

  it('brings back a deleted project: the plan first, and then what was typed for', async () => {
    const project = await someProject();
    const before = await dumpOf(stack.stack.urls.redis);
    const own = await keysOf(project);
    expect(own.length).toBeGreaterThan(50);
    await stack.redis.del(...own);
    const gone = await dumpOf(stack.stack.urls.redis);

    await begin('Restore');
    expect(await dialog().getByRole('button', { name: 'Show the plan' }).isDisabled()).toBe(true);
    await dialog().getByLabel('Project', { exact: true }).fill(project);
    expect(await dialog().innerText()).toContain(`--project ${project} --dry-run --env-file .env`);
    await press('Show the plan');
    const total = dialog().getByRole('table').locator('tfoot');
    await total.waitFor();
    const [, write = ''] = /^total\s+([\d,]+)/.exec(await total.innerText()) ?? [];
    expect(Number(write.replace(',', ''))).toBeGreaterThanOrEqual(own.length);
    expect(await dialog().getByRole('rowheader', { name: 'feedback', exact: true }).count()).toBe(1);
    expect(changes(gone, await dumpOf(stack.stack.urls.redis))).toEqual([]);

    const button = dialog().getByRole('button', { name: 'Restore the project' });
    expect(await button.isDisabled()).toBe(true);
    await dialog().getByLabel('To go on, type').fill(project.slice(1));
    expect(await button.isDisabled()).toBe(true);
    await dialog().getByLabel('To go on, type').fill(project);
    await button.click();
    expect(await endOf()).toMatch(/succeeded.*every key was compared/s);
    const after = await dumpOf(stack.stack.urls.redis);
    expect(changes(before, after).filter((key) => own.includes(key) && !/job/.test(key))).toEqual([]);
    expect(await stack.redis.exists(...own)).toBe(own.length);
    await close();
  });

  it('re-indexes a project', async () => {
    const project = await someProject();
    // The restore has begun to make the vectors of what it wrote anew; one index has one re-index at a time.
    await panel('Runs')
      .getByRole('listitem')
      .filter({ hasText: /Re-index[\s\S]*succeeded/ })
      .waitFor();
    await begin('Re-index');
    await dialog().getByLabel('Project', { exact: true }).fill(project);
    await press('Re-index');
    expect(await endOf()).toMatch(/succeeded/);
    expect(await dialog().innerText()).toMatch(/Vectors now\s+80/);
    await close();
    const row = panel('Projects').getByRole('row').filter({ hasText: project });
    await row.getByText('100%').waitFor();
  });

  it('drills, and shows the time that it took', async () => {
    await begin('Drill');
    await press('Start the drill');
    expect(await endOf()).toMatch(/succeeded/);
    await close();
    await panel('Restore drills').getByRole('rowheader', { name: 'passed', exact: true }).waitFor();
    expect(await panel('Recovery time (RTO)').innerText()).toContain('Met');
  });

  it('lists the runs with what they came to', async () => {
    const runs = panel('Runs').getByRole('listitem');
    await runs.filter({ hasText: 'Restore drill' }).first().getByText('Details').click();
    await runs.getByText('Outcome').waitFor();
    expect(await panel('Runs').innerText()).toMatch(/Restore drill[\s\S]*Re-index[\s\S]*Restore/);
  });

  it('signs out for good', async () => {
    await page.getByRole('button', { name: 'Sign out' }).click();
    await page.getByLabel('Admin token').waitFor();
    expect(await kept()).toBe('[{},{}]');
    await page.reload();
    await page.getByLabel('Admin token').waitFor();
    expect(complaints).toEqual([]);
  });

  async function snapshots(): Promise<string[]> {
    const answer = (await (await stack.admin('/api/snapshots')).json()) as { snapshots: { id: string }[] };
    return answer.snapshots.map(({ id }) => id);
  }

  async function someProject(): Promise<string> {
    const keys = await stack.redis.keys('feedback:created:*');
    const ids = keys.map((key) => key.slice('feedback:created:'.length)).filter((id) => id !== HOSTILE);
    return ids.sort()[0] ?? '';
  }

  async function keysOf(project: string): Promise<string[]> {
    const keys = await stack.redis.keys(`*:${project}*`);
    return keys.filter((key) => !key.startsWith('user:') && !key.startsWith('cluster:lock:'));
  }
});
