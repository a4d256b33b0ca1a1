import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Locator, Page } from 'playwright-core';
import { changes, dumpOf, only } from '../support/dumps.js';
import { startBrowser, type Browser } from './browser.js';
import { signIn } from './fixture-api.js';
import { beginOn, dialogOf, endOn, figuresUntilEnd, panelOf, pressOn, visit } from './operator.js';
import { HOSTILE } from './fixtures.js';
import { pageStack, type PageStack } from './stack.js';

/** Each step continues from where the one before left the stack and the page, as an operator's night does. */
describe('the page over the real functions', () => {
  let stack: PageStack;
  let browser: Browser;
  let page: Page;
  let complaints: string[];
  beforeAll(async () => {
    [stack, browser] = await Promise.all([pageStack(), startBrowser()]);
    ({ page, complaints } = await browser.open());
    page.setDefaultTimeout(600_000);
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
  const kept = (): Promise<string> => page.evaluate('JSON.stringify([{ ...sessionStorage }, { ...localStorage }])');

  it('refuses a wrong token, says so and stores nothing', async () => {
    await signIn(page, `${stack.token}x`);
    const alert = page.getByRole('alert');
    await alert.waitFor();
    expect(await alert.innerText()).toContain('The token was not accepted');
    expect(await kept()).toBe('[{},{}]');
    await signIn(page, 'grüße');
    await page.getByText('This is not a valid token').waitFor();
    expect(await kept()).toBe('[{},{}]');
  });

  it('accepts the right token, and stores it for the tab alone, never in the address', async () => {
    await signIn(page, stack.token);
    await page.locator('.headline').waitFor();
    expect(JSON.parse(await kept())).toEqual([{ 'soulcaster-backup.token': stack.token }, {}]);
    expect(page.url()).toBe(`${stack.url}/`);
    await page.reload();
    await page.locator('.headline').waitFor();
  });

  it('shows the deployment, and that there is no backup', async () => {
    await page.locator('.headline', { hasText: 'The data is at risk' }).waitFor();
    expect(await page.locator('.whose').innerText()).toContain(stack.stack.env['BACKUP_STORE']);
    expect(await panel('Recoverable to').innerText()).toMatch(/not ok[\s\S]*nothing[\s\S]*There is no verified backup/);
    expect(await page.locator('.reasons li').first().innerText()).toMatch(/no verified snapshot.*Back up now/i);
    expect(await page.title()).toMatch(/^✕ Overview/);
  });

  it('backs up, with progress that moves', async () => {
    stack.slowDown(400);
    await begin('Back up now');
    expect(await dialog().getByText('npx soulcaster-backup backup --env-file .env').count()).toBe(1);
    await press('Back up now');
    const seen = await figuresUntilEnd(page);
    stack.slowDown(0);
    expect(await endOf()).toMatch(/succeeded.*Done: [\d,]+ keys saved and read back/s);
    expect(seen.size).toBeGreaterThan(1);
    expect(await panel('Phases').getByRole('listitem').count()).toBeGreaterThan(3);
    await visit(page, 'Overview');
    // Nobody is told of anything on this stack, and no drill was made.
    await page.locator('.headline', { hasText: 'No alert would be delivered' }).waitFor();
    expect(await panel('Recoverable to').innerText()).toMatch(/✓\s*ok/);
    await visit(page, 'Snapshots');
    await page.getByRole('cell', { name: 'verified', exact: true }).waitFor();
  });

  it('shows what is in a snapshot: families, projects, keys, a value and what differs now', async () => {
    const [newest = ''] = await snapshots();
    await page.getByRole('row').nth(1).getByRole('link').first().click();
    await page.getByRole('heading', { name: /^Snapshot of / }).waitFor();
    expect(page.url()).toContain(`#/snapshots/${newest}`);
    await panel('Families of keys').getByRole('link', { name: 'feedback', exact: true }).waitFor();
    await page.getByLabel('Part of the name').fill('item-1');
    await page.getByRole('button', { name: 'Search keys' }).click();
    await panel('Keys')
      .getByRole('link', { name: `feedback:${HOSTILE}:item-1` })
      .click();
    expect(await panel('Value').locator('pre').innerText()).toContain('It is only text');
    await page.getByLabel('With').selectOption('live');
    await page.getByText(/Nothing differs: [\d,]+ keys are the same/).waitFor();
    const download = page.waitForEvent('download');
    await page.getByRole('button', { name: 'Download' }).click();
    expect((await download).suggestedFilename()).toBe(`${newest}.jsonl.gz`);
  });

  it('pins a snapshot with the reason, and unpins it', async () => {
    await page.getByRole('button', { name: 'Pin…' }).click();
    await page.getByLabel('Why must it be kept?').fill('before the move');
    await page.getByRole('button', { name: 'Pin', exact: true }).click();
    await page.getByText('before the move').waitFor();
    await page.getByRole('button', { name: 'Unpin…' }).click();
    await page.getByRole('button', { name: 'Unpin', exact: true }).click();
    await page.getByRole('button', { name: 'Pin…' }).waitFor();
  });

  it('verifies a snapshot', async () => {
    const [newest = ''] = await snapshots();
    await page.getByRole('link', { name: 'Verify…' }).click();
    expect(await dialog().innerText()).toContain(`npx soulcaster-backup verify ${newest} --env-file .env`);
    await press('Verify');
    expect(await endOf()).toMatch(/succeeded.*are as they were saved/s);
  });

  it('shows the name of a project as text, whatever it is', async () => {
    await visit(page, 'Projects');
    await page.getByRole('row').filter({ hasText: HOSTILE }).waitFor();
    expect(await page.locator('img').count()).toBe(0);
    expect(complaints).toEqual([]);
  });

  it('restores a deleted project after plan and confirmation', async () => {
    const project = await someProject();
    const before = await dumpOf(stack.stack.urls.redis);
    const own = await keysOf(project);
    expect(own.length).toBeGreaterThan(50);
    await stack.redis.del(...own);
    const gone = await dumpOf(stack.stack.urls.redis);

    await visit(page, 'Overview');
    await page.getByRole('link', { name: 'Restore…' }).click();
    expect(await page.getByRole('button', { name: 'Show the plan' }).isDisabled()).toBe(true);
    await page.getByLabel('Project', { exact: true }).fill(project);
    expect(await page.locator('main').innerText()).toContain(`--project ${project} --dry-run --env-file .env`);
    await page.getByRole('button', { name: 'Show the plan' }).click();
    const sentence = page.locator('.consequence');
    await sentence.waitFor();
    const [, write = ''] = /^([\d,]+) written/.exec(await sentence.innerText()) ?? [];
    expect(Number(write.replace(',', ''))).toBeGreaterThanOrEqual(own.length);
    expect(await page.getByRole('rowheader', { name: 'feedback', exact: true }).count()).toBe(1);
    expect(changes(gone, await dumpOf(stack.stack.urls.redis))).toEqual([]);
    await page.reload();

    const button = page.getByRole('button', { name: 'Restore now' });
    await button.waitFor();
    expect(await button.isDisabled()).toBe(true);
    await page.getByLabel('To confirm').fill(project.slice(1));
    expect(await button.isDisabled()).toBe(true);
    await page.getByLabel('To confirm').fill(project);
    await button.click();
    expect(await endOf()).toMatch(/succeeded.*every key was compared/s);
    expect(await panel('Result').innerText()).toMatch(/Proven equal[\s\S]*loads/);
    const after = await dumpOf(stack.stack.urls.redis);
    // Work that was in flight in the snapshot is failed now, in jobs and in the clusters that they belong to.
    expect(changes(before, after).filter((key) => own.includes(key) && !/job|^cluster:/.test(key))).toEqual([]);
    expect(await stack.redis.exists(...own)).toBe(own.length);
  });

  it('undoes the restore, of that project alone, once the project is typed again; and undoes the undo', async () => {
    const project = await someProject();
    const own = await keysOf(project);
    const others = async () => only(await dumpOf(stack.stack.urls.redis), (key) => !own.includes(key) && isKept(key));
    const untouched = await others();
    for (const there of [false, true]) {
      // The vectors of what was restored are being made; the database is free for the undo.
      await page.getByRole('button', { name: 'Undo this restore…' }).click();
      await page.locator('.consequence', { hasText: there ? 'written' : 'removed' }).waitFor();
      expect(await page.locator('.pinned').innerText()).not.toContain('everything');
      const button = page.getByRole('button', { name: 'Restore now' });
      expect(await button.isDisabled()).toBe(true);
      await page.getByLabel('To confirm').fill(project);
      await button.click();
      await page.getByRole('button', { name: 'Restore now' }).waitFor({ state: 'detached' });
      expect(await endOf()).toMatch(/succeeded.*every key was compared/s);
      expect(await stack.redis.exists(...own)).toBe(there ? own.length : 0);
      expect(changes(untouched, await others())).toEqual([]);
    }
  });

  it('re-indexes a project from its own view', async () => {
    const project = await someProject();
    // The restore has begun to make the vectors of what it wrote; one index has one re-index at a time.
    await page.goto(`${stack.url}/#/runs?kind=reindex`);
    await page.getByRole('row').filter({ hasText: 'succeeded' }).first().waitFor();
    await page.goto(`${stack.url}/#/projects/${project}`);
    await page.getByRole('link', { name: 'Re-index it…' }).click();
    await press('Re-index');
    expect(await endOf()).toMatch(/succeeded/);
    expect(await panel('Result').innerText()).toMatch(/Vectors now\s+80/);
    await page.goto(`${stack.url}/#/projects/${project}`);
    await panel('What there is').getByText('100%').waitFor();
  });

  it('shows a doubtful snapshot with the reason, and accepts it with another one', async () => {
    const everything = await stack.redis.keysBuffer('*');
    const dumped = await Promise.all(everything.map(async (key) => [key, await stack.redis.dumpBuffer(key)] as const));
    await stack.redis.flushall();
    await stack.redis.set('left', 'over');
    await begin('Back up now');
    await press('Back up now');
    expect(await endOf()).toMatch(/doubtful/);
    await page.getByRole('link', { name: 'See the snapshot' }).click();
    const state = panel('State');
    await state.locator('.badge', { hasText: 'doubtful' }).waitFor();
    expect(await state.innerText()).toMatch(/1 .*\d/);
    await state.getByRole('button', { name: 'Accept it…' }).click();
    const accept = state.getByRole('button', { name: 'Accept', exact: true });
    expect(await accept.isDisabled()).toBe(true);
    await page.getByLabel('Why can it be trusted?').fill('emptied on purpose');
    await accept.click();
    await state.locator('.badge', { hasText: 'verified' }).waitFor();
    for (const [key, value] of dumped) await stack.redis.restore(key, 0, value, 'REPLACE');
  });

  it('drills, and shows the time that it took', async () => {
    await begin('Drill');
    await press('Start the drill');
    expect(await endOf()).toMatch(/succeeded/);
    await visit(page, 'Overview');
    await panel('Recovery time').locator('.badge.good').waitFor();
  });

  it('lists the runs by kind', async () => {
    await visit(page, 'Runs');
    await page.getByRole('row').filter({ hasText: 'Restore drill' }).waitFor();
    await page.getByLabel('Kind').selectOption('restore');
    await page.getByRole('row').filter({ hasText: 'Restore drill' }).waitFor({ state: 'detached' });
    await page.getByRole('row').filter({ hasText: 'LIVE' }).first().waitFor();
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

/** What a restore keeps for itself comes and goes; jobs do not name the project that they are of. */
function isKept(key: string): boolean {
  return !/^(cluster:lock|soulcaster-backup|job|cluster:jobs|user):/.test(key);
}
