import { resolve } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it, jest } from '@jest/globals';
import axe from 'axe-core';
import type { Page } from 'playwright-core';
import { startFunctionHost, type FunctionHost } from '../../lib/local/function-host/index.js';
import { startBrowser, type Browser } from './browser.js';
import { openSignedIn, type Answers } from './fixture-api.js';
import { badStatus } from './fixtures-status.js';

const ROOT = resolve(import.meta.dirname, '../..');
const ACTIONS = ['Back up now…', 'Restore…', 'Verify…', 'Re-index…', 'Drill…'];

jest.setTimeout(180_000);

describe('the page for everyone', () => {
  let host: FunctionHost;
  let browser: Browser;
  beforeAll(async () => {
    host = await startFunctionHost({ root: ROOT, env: {} });
    browser = await startBrowser();
  });
  afterEach(() => browser.closePages());
  afterAll(async () => {
    await browser.stop();
    await host.stop();
  });

  async function board(dark: boolean, answers: Answers = {}, width = 1280): Promise<Page> {
    const { page } = await browser.open({
      colorScheme: dark ? 'dark' : 'light',
      viewport: { width, height: 900 },
      reducedMotion: 'reduce',
    });
    await openSignedIn(page, host.url, answers);
    await page.getByRole('heading', { name: 'Projects' }).waitFor();
    await page.waitForLoadState('networkidle');
    return page;
  }

  async function violations(page: Page): Promise<string[]> {
    await page.evaluate(axe.source);
    const found = await page.evaluate<axe.AxeResults>('axe.run(document)');
    return found.violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(' ')}`);
  }

  it.each([
    ['light', false, {}, 1280],
    ['dark', true, {}, 1280],
    ['at risk', false, { status: badStatus() }, 1280],
    ['at risk and dark', true, { status: badStatus() }, 1280],
    ['failing', true, { status: 500, snapshots: 500, projects: 500 }, 1280],
    ['on a phone', false, {}, 360],
  ] as const)('has no violation that axe finds: %s', async (_, dark, answers, width) => {
    // One call must let the token in, so that there is a board at all.
    const page = await board(
      dark,
      { ...answers, ...('snapshots' in answers ? { snapshots: undefined } : {}) } as Answers,
      width,
    );
    expect(await violations(page)).toEqual([]);
  });

  it.each([false, true])('has none signed out, nor with an error there (dark: %s)', async (dark) => {
    const { page } = await browser.open({ colorScheme: dark ? 'dark' : 'light' });
    await page.goto(host.url);
    await page.getByLabel('Admin token').fill('nonsense');
    expect(await violations(page)).toEqual([]);
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.getByRole('alert').waitFor();
    expect(await violations(page)).toEqual([]);
  });

  it.each([false, true])('has none with any dialog open (dark: %s)', async (dark) => {
    const page = await board(dark);
    for (const action of ACTIONS) {
      await page.getByRole('button', { name: action }).click();
      await page.getByRole('dialog').waitFor();
      expect(await violations(page)).toEqual([]);
      await page.keyboard.press('Escape');
    }
  });

  it('can be used with the keyboard alone: the focus shows, stays in a dialog, and comes back', async () => {
    const page = await board(false);
    const opener = page.getByRole('button', { name: 'Verify…' });
    await opener.focus();
    await page.keyboard.press('Enter');
    await page.getByRole('dialog').waitFor();
    for (let step = 0; step < 12; step++) {
      await page.keyboard.press('Tab');
      // Past the last field a browser goes to its own controls, never to the page behind.
      const outside = await page.evaluate(
        "document.activeElement !== document.body && document.activeElement.closest('dialog') === null",
      );
      expect(outside).toBe(false);
    }
    await page.keyboard.press('Escape');
    await page.getByRole('dialog').waitFor({ state: 'detached' });
    expect(await page.evaluate('document.activeElement.textContent')).toBe('Verify…');
    expect(await page.evaluate('getComputedStyle(document.activeElement).outlineStyle')).toBe('solid');
  });

  it('changes the theme when asked, and keeps to it', async () => {
    const page = await board(false);
    const ground = (): Promise<string> => page.evaluate('getComputedStyle(document.body).backgroundColor');
    const light = await ground();
    await page.getByRole('button', { name: 'Dark theme' }).click();
    // The theme follows the click with the next drawing of the page.
    let dark = light;
    while (dark === light) dark = await ground();
    await page.reload();
    await page.getByRole('button', { name: 'Light theme' }).waitFor();
    expect(await ground()).toBe(dark);
  });

  it('tells in words what the chart draws', async () => {
    const page = await board(false);
    const words = await page.getByRole('img').getAttribute('aria-label');
    expect(words).toMatch(/^24 backups, 22 of them verified: from [\d,]+ keys in .* to 21,400 keys in .*\.$/);
  });
});
