import { mkdir, mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it, jest } from '@jest/globals';
import type { Page } from 'playwright-core';
import { startFunctionHost, type FunctionHost } from '../../lib/local/function-host/index.js';
import { startBrowser, type Browser } from './browser.js';
import { answerRestores, openSignedIn, type Answers } from './fixture-api.js';
import { badStatus } from './fixtures-status.js';

const ROOT = resolve(import.meta.dirname, '../..');
/** `npm run screenshot` writes the picture of the README; otherwise nothing that git knows is touched. */
const README_PICTURE = process.env['PAGE_SCREENSHOT'];
const KEPT = process.env['PAGE_LOOKS'];

const DESKTOP = { width: 1280, height: 900 };
const PHONE = { width: 360, height: 740 };

interface Look {
  readonly name: string;
  readonly size?: typeof PHONE;
  readonly dark?: boolean;
  readonly answers?: Answers;
  readonly open?: (page: Page) => Promise<void>;
}

const LOOKS: readonly Look[] = [
  { name: 'light' },
  { name: 'dark', dark: true },
  { name: 'phone', size: PHONE },
  { name: 'phone-dark-bad', size: PHONE, dark: true, answers: { status: badStatus() } },
  { name: 'bad', answers: { status: badStatus() } },
  { name: 'partly-failed', answers: { snapshots: 500, projects: 502 } },
  { name: 'all-failed', answers: { status: 500, projects: 502 } },
  { name: 'backup', open: (page) => press(page, 'Back up now…') },
  { name: 'restore', open: (page) => press(page, 'Restore…') },
  { name: 'restore-phone', size: PHONE, dark: true, open: (page) => press(page, 'Restore…') },
  { name: 'plan', open: showPlan },
  { name: 'plan-phone', size: PHONE, dark: true, open: showPlan },
  { name: 'reindex', dark: true, open: (page) => press(page, 'Re-index…') },
];

async function showPlan(page: Page): Promise<void> {
  await answerRestores(page);
  await press(page, 'Restore…');
  await page.getByLabel('Project', { exact: true }).fill('cm3k8x2p40001l508acme');
  await page.getByRole('button', { name: 'Show the plan' }).click();
  await page.getByRole('button', { name: 'Restore the project' }).waitFor();
}

async function press(page: Page, name: string): Promise<void> {
  await page.getByRole('button', { name, exact: true }).click();
  await page.getByRole('dialog').waitFor();
}

jest.setTimeout(180_000);

describe('how the page looks', () => {
  let host: FunctionHost;
  let browser: Browser;
  let folder = '';
  beforeAll(async () => {
    folder = KEPT ?? (await mkdtemp(join(tmpdir(), 'page-looks-')));
    await mkdir(folder, { recursive: true });
    host = await startFunctionHost({ root: ROOT, env: {} });
    browser = await startBrowser();
  });
  afterEach(() => browser.closePages());
  afterAll(async () => {
    await browser.stop();
    await host.stop();
    if (KEPT === undefined) await rm(folder, { recursive: true, force: true });
  });

  async function show(look: Look): Promise<Page> {
    const { page, complaints } = await browser.open({
      viewport: look.size ?? DESKTOP,
      colorScheme: look.dark === true ? 'dark' : 'light',
      reducedMotion: 'reduce',
    });
    await openSignedIn(page, host.url, look.answers);
    await page.getByRole('heading', { name: 'Projects' }).waitFor();
    await page.waitForLoadState('networkidle');
    await look.open?.(page);
    await page.mouse.move(0, 0);
    expect(complaints).toEqual([]);
    return page;
  }

  it.each(LOOKS)('fits the screen: $name', async (look) => {
    const page = await show(look);
    const picture = join(folder, `${look.name}.png`);
    await page.screenshot({ path: picture, fullPage: look.open === undefined });
    expect((await stat(picture)).size).toBeGreaterThan(5000);
    // Nothing is wider than the screen.
    const width = await page.evaluate('document.documentElement.scrollWidth');
    expect(width).toBeLessThanOrEqual((look.size ?? DESKTOP).width);
  });

  it('can be pictured for the README', async () => {
    const page = await show({ name: 'readme', size: { width: 1280, height: 1330 } });
    await page.screenshot({ path: README_PICTURE ?? join(folder, 'page.png') });
  });
});
