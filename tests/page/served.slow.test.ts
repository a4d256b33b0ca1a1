import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { startFunctionHost, type FunctionHost } from '../../dev/function-host/index.js';
import { startBrowser, type Browser } from './browser.js';
import { openSignedIn, TOKEN } from './fixture-api.js';
import { HOSTILE } from './fixtures.js';

const ROOT = resolve(import.meta.dirname, '../..');
/** Document, script and style, compressed. */
const WEIGHT_LIMIT = 70_000;

describe('the page as it is served', () => {
  let host: FunctionHost;
  let browser: Browser;
  beforeAll(async () => {
    host = await startFunctionHost({ root: ROOT, env: { ADMIN_TOKEN: 'a-secret-of-the-functions' } });
    browser = await startBrowser();
  });
  afterEach(() => browser.closePages());
  afterAll(async () => {
    await browser.stop();
    await host.stop();
  });

  it.each([
    ['/', 'text/html; charset=utf-8'],
    ['/assets/page.js', 'application/javascript; charset=utf-8'],
    ['/assets/page.css', 'text/css; charset=utf-8'],
    ['/assets/runbook.html', 'text/html; charset=utf-8'],
    ['/icon-bad.svg', 'image/svg+xml'],
  ])('comes with the right type, a strict policy and no stale copy: %s', async (path, type) => {
    const answer = await fetch(host.url + path);
    const headers = Object.fromEntries(answer.headers);
    expect([answer.status, headers['content-type']]).toEqual([200, type]);
    expect(headers).toMatchObject({
      'cache-control': 'no-cache',
      'x-content-type-options': 'nosniff',
      'referrer-policy': 'no-referrer',
      'x-frame-options': 'DENY',
    });
    const policy = headers['content-security-policy'] ?? '';
    const directives = new Map(
      policy.split('; ').map((part) => [part.split(' ')[0], part.split(' ').slice(1).join(' ')]),
    );
    expect(directives.get('default-src')).toBe("'none'");
    for (const own of ['script-src', 'style-src', 'connect-src', 'img-src']) expect(directives.get(own)).toBe("'self'");
    for (const none of ['base-uri', 'form-action', 'frame-ancestors']) expect(directives.get(none)).toBe("'none'");
    expect(directives.get('require-trusted-types-for')).toBe("'script'");
    expect(policy).not.toMatch(/unsafe|\*|https?:/);
  });

  it('has no inline script, no inline style and no secret, and keeps to its weight', async () => {
    const html = await (await fetch(host.url)).text();
    expect([...html.matchAll(/<script[^>]*>([^<]*)<\/script>/g)].map(([, inside]) => inside)).toEqual(['']);
    expect(html).not.toMatch(/ on[a-z]+=|style=|<style|javascript:/);
    expect(html).toMatch(/<noscript>[\s\S]*href="\/api\/status"[\s\S]*<\/noscript>/);
    const files = ['public/index.html', 'public/assets/page.js', 'public/assets/page.css'];
    const all = await Promise.all(files.map((file) => readFile(resolve(ROOT, file), 'utf8')));
    expect(all.join('')).not.toMatch(
      /a-secret-of-the-functions|whsec_|BEGIN [A-Z ]*PRIVATE|sourceMappingURL|eval\(|new Function/,
    );
    expect(all.reduce((sum, text) => sum + gzipSync(text).byteLength, 0)).toBeLessThan(WEIGHT_LIMIT);
  });

  it('takes the policy of the browser at its word: what breaks it is stopped, and the page breaks nothing', async () => {
    const { page, complaints } = await browser.open();
    await openSignedIn(page, `${host.url}/#/projects`);
    await page.getByText(HOSTILE, { exact: true }).waitFor();
    expect(await page.locator('img').count()).toBe(0);
    expect(complaints).toEqual([]);
    const inline = `const script = document.createElement('script'); script.text = 'window.ran = true'; document.head.append(script)`;
    await page.evaluate(inline).catch(() => undefined);
    expect(await page.evaluate('window.ran')).toBeUndefined();
    expect(complaints.length).toBeGreaterThan(0);
  });

  it('paints before the API has answered, and before the script is there', async () => {
    const { page } = await browser.open();
    await page.route('**/api/**', () => undefined);
    await page.route('**/assets/page.js', () => undefined);
    await page.goto(host.url, { waitUntil: 'commit' });
    await page.getByRole('heading', { name: 'Operations' }).waitFor();
    await page.unrouteAll({ behavior: 'ignoreErrors' });

    const later = await browser.open();
    await later.page.addInitScript(`sessionStorage.setItem('soulcaster-backup.token', '${TOKEN}')`);
    await later.page.route('**/api/**', () => undefined);
    await later.page.goto(host.url);
    await later.page.getByText('Reading the status…').waitFor();
    expect(await later.page.getByRole('link', { name: 'Back up now' }).isEnabled()).toBe(true);
  });
});
