import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import axe from 'axe-core';
import type { Page } from 'playwright-core';
import { startFunctionHost, type FunctionHost } from '../../dev/function-host/index.js';
import { startBrowser, type Browser } from './browser.js';
import { answerRestores, answerWith, openSignedIn, restored, type Answers } from './fixture-api.js';
import { badStatus, RUNNING, runView, serviceDown, status } from './fixtures-status.js';
import { at, HOUR, idAt, manySnapshots, MINUTE, oddProjects } from './fixtures.js';

const ROOT = resolve(import.meta.dirname, '../..');
/** `npm run screenshot` writes the pictures of the README into this folder; otherwise nothing that git knows is touched. */
const README_FOLDER = process.env['PAGE_SCREENSHOT'];
const KEPT = process.env['PAGE_LOOKS'];

const WIDTHS = [375, 768, 1180, 1920];
/** Between the widths at which nothing may overlap or be cut, in pixels. */
const STEP = Number(process.env['LOOKS_STEP'] ?? 20);
/** Whether it is dark. */
const THEMES = process.env['LOOKS_THEMES'] === 'light' ? [false] : [false, true];
const PROJECT = 'cm3k8x2p40001l508acme';
const RESTORE = `#/restore?scope=project&project=${PROJECT}`;

interface Look {
  readonly name: string;
  readonly at?: string;
  readonly answers?: Answers;
  readonly open?: (page: Page) => Promise<void>;
}

const ODD: Answers = {
  projects: oddProjects(),
  snapshots: manySnapshots(500),
  runs: Array.from({ length: 200 }, (_, at) =>
    runView({ ...RUNNING, runId: idAt(at * MINUTE), state: 'failed', finishedAt: RUNNING.updatedAt }),
  ),
};

const IDLE: Answers = { status: status({ runs: [] }) };
const DRY = { snapshot: idAt(72 * MINUTE), scope: { project: PROJECT }, dryRun: true };
const OLD_PLAN: Answers = {
  ...IDLE,
  runs: [
    {
      ...restored('plan', DRY),
      finishedAt: at(3 * HOUR),
      notes: [
        `Snapshot ${idAt(72 * MINUTE)} is doubtful: the database had lost most of its keys: 3 of 21,400.`,
        'Left out, since their user or project is on the erasure list: 4 keys of the snapshot (feedback 3, job 1). `npx soulcaster-backup erasures list --env-file .env` says why.',
      ],
    },
  ],
};

const LOOKS: readonly Look[] = [
  { name: 'home' },
  { name: 'home at risk', answers: { status: badStatus() } },
  { name: 'home without Redis', answers: { status: serviceDown('redis', 'Redis does not answer') } },
  { name: 'home without status', answers: { status: 500 } },
  {
    name: 'home with two restores',
    answers: { status: status({ runs: [RUNNING, { ...RUNNING, runId: idAt(MINUTE, 'two222') }] }) },
  },
  { name: 'runs', at: '#/runs', answers: ODD },
  { name: 'a run', at: `#/runs/${RUNNING.runId}` },
  { name: 'snapshots', at: '#/snapshots', answers: ODD },
  { name: 'a snapshot', at: `#/snapshots/${idAt(72 * MINUTE)}?contains=feed&with=live&key=feedback%3A1` },
  { name: 'projects', at: '#/projects', answers: ODD },
  { name: 'a project', at: `#/projects/${PROJECT}` },
  { name: 'a project with an odd name', at: `#/projects/long`, answers: ODD },
  { name: 'health', at: '#/health', answers: { status: badStatus() } },
  { name: 'restore', at: RESTORE },
  { name: 'a plan', at: RESTORE, answers: IDLE, open: showPlan },
  { name: 'a plan that is old', at: `${RESTORE}&plan=plan`, answers: OLD_PLAN },
  { name: 'a restore that is over', at: RESTORE, answers: IDLE, open: showEnd },
  { name: 'back up', at: '#/?do=backup' },
  { name: 're-index', at: '#/?do=reindex' },
  { name: 'drill', at: '#/?do=drill' },
  { name: 'verify', at: `#/snapshots/${idAt(72 * MINUTE)}?do=verify&of=${idAt(72 * MINUTE)}` },
  { name: 'an incomplete snapshot', at: `#/snapshots/${idAt(4 * 24 * HOUR + 72 * MINUTE)}` },
  { name: 'a damaged snapshot', at: `#/snapshots/${idAt(9 * 24 * HOUR + 72 * MINUTE)}` },
  { name: 'a safety snapshot', at: `#/snapshots/${idAt(30 * HOUR, 'k2m9x7')}` },
];

async function showPlan(page: Page): Promise<void> {
  await answerRestores(page);
  await page.getByRole('button', { name: 'Show the plan' }).click();
  await page.getByRole('button', { name: 'Restore now' }).waitFor();
}

async function showEnd(page: Page): Promise<void> {
  await showPlan(page);
  await page.getByLabel('To confirm').fill(PROJECT);
  await page.getByRole('button', { name: 'Restore now' }).click();
  await page.getByText('every key was compared with the snapshot').waitFor();
}

/** What is wider than the window, or reaches out of the box that it stands in. */
const OUTSIDE = `(() => {
  const found = [];
  if (document.documentElement.scrollWidth > innerWidth) found.push('the page is ' + document.documentElement.scrollWidth);
  for (const element of document.querySelectorAll('.frame *, main *, dialog *')) {
    if (element.closest('.table.wide, pre, .hidden, svg, option') !== null) continue;
    const box = element.parentElement.closest('.panel, .verdict, .answer, .frame, dialog, .pinned, .confirm, main');
    const [own, outer] = [element.getBoundingClientRect(), box.getBoundingClientRect()];
    if (own.width === 0 || own.height === 0) continue;
    if (own.right > outer.right + 1 || own.left < outer.left - 1)
      found.push(element.tagName + '.' + element.className + ' ' + element.textContent.slice(0, 40));
  }
  return found.slice(0, 3);
})()`;

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

  async function show({ answers, at = '', open }: Look, dark = false, width = 1180): Promise<Page> {
    const { page, complaints } = await browser.open({
      viewport: { width, height: 900 },
      colorScheme: dark ? 'dark' : 'light',
      reducedMotion: 'reduce',
    });
    await openSignedIn(page, `${host.url}/${at}`, answers);
    await page.locator('main h1').waitFor({ state: 'attached' });
    await page.waitForLoadState('networkidle');
    await open?.(page);
    await page.mouse.move(0, 0);
    expect(complaints).toEqual([]);
    return page;
  }

  async function takePictures(page: Page, name: string): Promise<void> {
    for (const width of WIDTHS) {
      await page.setViewportSize({ width, height: 900 });
      await page.screenshot({ path: join(folder, `${name}-${width}.png`), fullPage: true });
    }
  }

  async function violations(page: Page): Promise<string[]> {
    await page.evaluate(axe.source);
    const found = await page.evaluate<axe.AxeResults>('axe.run(document)');
    return found.violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(' ')}`);
  }

  it.each(LOOKS)('overflows nowhere at any width, and passes axe: $name', async (look) => {
    for (const dark of THEMES) {
      const page = await show(look, dark);
      expect([dark, await violations(page)]).toEqual([dark, []]);
      await page.setViewportSize({ width: 375, height: 900 });
      if (!dark) expect([375, await violations(page)]).toEqual([375, []]);
      if (KEPT !== undefined) await takePictures(page, `${look.name.replaceAll(' ', '-')}${dark ? '-dark' : ''}`);
      if (dark) continue;
      const outside: Record<number, unknown> = {};
      for (let width = 320; width <= 1920; width += STEP) {
        await page.setViewportSize({ width, height: 900 });
        const found = await page.evaluate<string[]>(OUTSIDE);
        if (found.length > 0) outside[width] = found;
      }
      expect(outside).toEqual({});
    }
  });

  it.each([false, true])('passes axe signed out, and with an error there (dark: %s)', async (dark) => {
    const { page } = await browser.open({
      colorScheme: dark ? 'dark' : 'light',
      viewport: { width: 320, height: 800 },
    });
    await answerWith(page);
    await page.goto(host.url);
    await page.getByText('production').waitFor();
    await page.getByLabel('Admin token').fill('grüße');
    expect(await violations(page)).toEqual([]);
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.getByRole('alert').waitFor();
    expect(await violations(page)).toEqual([]);
    expect(await page.evaluate(OUTSIDE)).toEqual([]);
  });

  it('has a runbook that fits and passes axe, with an anchor for every alert', async () => {
    const { page } = await browser.open({ viewport: { width: 320, height: 800 } });
    await page.goto(`${host.url}/assets/runbook.html#alert-rpo-breached`);
    expect(await page.evaluate('document.documentElement.scrollWidth <= innerWidth')).toBe(true);
    expect(await page.locator('#alert-rpo-breached, #the-operations-page').count()).toBe(2);
    expect(await violations(page)).toEqual([]);
  });

  it.each(['an incomplete snapshot', 'a damaged snapshot'])('says why %s cannot be restored', async (name) => {
    const page = await show(LOOKS.find((look) => look.name === name) ?? { name });
    expect(await page.getByLabel('State', { exact: true }).innerText()).toMatch(/lacks 12 keys|found damaged at/);
    expect(await page.getByRole('link', { name: /^Restore/ }).count()).toBe(0);
  });

  it('prints its text without buttons', async () => {
    const page = await show({ name: 'print', answers: { status: badStatus() } }, true);
    await page.emulateMedia({ media: 'print', colorScheme: 'dark' });
    expect(await page.getByText('The data is at risk').isVisible()).toBe(true);
    expect(await page.getByText('eu1-merry-cat-31337.upstash.io').isVisible()).toBe(true);
    expect(await page.getByRole('button').count()).toBe(0);
    expect(await page.evaluate('getComputedStyle(document.documentElement).colorScheme')).toBe('light');
  });

  it('respects the setting for reduced motion', async () => {
    const run = { ...RUNNING, progress: { ...RUNNING.progress, total: null } };
    const page = await show({ name: 'still', answers: { status: status({ runs: [run] }) } });
    expect(await page.evaluate("getComputedStyle(document.querySelector('progress')).animationName")).toBe('none');
  });

  it('takes the screenshot for the README', async () => {
    for (const [name, dark] of [
      ['page.png', false],
      ['page-dark.png', true],
    ] as const) {
      const page = await show({ name: 'readme' }, dark, 1280);
      await page.setViewportSize({ width: 1280, height: 1020 });
      await page.screenshot({ path: join(README_FOLDER ?? folder, name) });
    }
  });
});
