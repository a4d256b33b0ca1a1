import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from '@jest/globals';
import { CHROMIUM } from '../../dev/packages.js';
import { chromium, type BrowserContext, type BrowserContextOptions, type Page } from 'playwright-core';

const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/** A page, and all that its console said which it should not have: errors, and breaches of the policy. */
interface Watched {
  readonly page: Page;
  readonly complaints: string[];
}

export interface Browser {
  /** A separate page; each call has storage of its own. */
  open(options?: BrowserContextOptions): Promise<Watched>;
  /** A page that nobody looks at any more continues asking and drawing. */
  closePages(): Promise<void>;
  stop(): Promise<void>;
}

/** Debian's Chromium without the parts that draw a window: the same engine, for two fifths of the processor time. */
export async function startBrowser(): Promise<Browser> {
  const folder = await mkdtemp(join(tmpdir(), 'page-browser-'));
  const browser = await chromium.launch({
    executablePath: `/usr/bin/${CHROMIUM.binary}`,
    args: FLAGS,
    env: { ...process.env, HOME: folder },
  });
  const contexts: BrowserContext[] = [];
  const closePages = async (): Promise<void> => {
    for (const context of contexts.splice(0)) await context.close();
  };
  return {
    async open(options) {
      const context = await browser.newContext({
        timezoneId: 'UTC',
        viewport: { width: 1280, height: 900 },
        ...options,
      });
      contexts.push(context);
      return watched(await context.newPage());
    },
    closePages,
    async stop() {
      await closePages();
      await browser.close();
      await rm(folder, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

function watched(page: Page): Watched {
  const complaints: string[] = [];
  page.setDefaultTimeout(180_000);
  page.on('pageerror', (error) => complaints.push(error.message));
  page.on('dialog', (dialog) => {
    complaints.push(`a dialog opened: ${dialog.message()}`);
    void dialog.dismiss();
  });
  page.on('console', (message) => {
    // What a call answered is the page's business, and is not a fault of the page.
    if (message.type() === 'error' && !message.text().startsWith('Failed to load resource')) {
      complaints.push(message.text());
    }
  });
  return { page, complaints };
}

/** Presses Tab until an element of that name has the focus. */
export async function tabUntil(page: Page, name: string | RegExp): Promise<void> {
  for (let presses = 0; presses < 120; presses++) {
    await page.keyboard.press('Tab');
    const words = await page.evaluate<string>(
      "document.activeElement.labels?.[0]?.textContent ?? document.activeElement.textContent ?? ''",
    );
    if (typeof name === 'string' ? words.startsWith(name) : name.test(words)) {
      expect(await page.evaluate('getComputedStyle(document.activeElement).outlineStyle')).toBe('solid');
      return;
    }
  }
  throw new Error(`nothing called ${String(name)} was reached`);
}
