import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { githubRest } from '../../lib/services/github.js';
import type { AppError } from '../../lib/errors.js';
import { startGitHub, type GitHubFault, type GitHubStandIn } from '../../dev/github/index.js';
import type { GitHub } from '../../lib/ports/github.js';
import { jumpingClock } from '../support/clocks.js';

const CLASSIC = 'ghp_classic0classic0classic0classic0class';
const FINE = 'github_pat_fine0fine0fine0fine0fine0fine0';
const NO_SCOPES = 'ghp_none0none0none0none0none0none0none0n';
const APP = { clientId: 'Ov23liAbCdEfGhIj', clientSecret: '0123456789abcdef0123456789abcdef01234567' };

let standIn: GitHubStandIn;
let github: GitHub;
/** The same, that does not wait for long. */
let hasty: GitHub;
const clock = jumpingClock();

beforeAll(async () => {
  standIn = await startGitHub({
    tokens: [
      { token: CLASSIC, login: 'octo', scopes: ['repo', 'read:user'], expires: '2027-01-02 03:04:05 UTC' },
      {
        token: FINE,
        login: 'fine',
        scopes: null,
        expires: '2027-01-02 03:04:05 +0200',
        repositories: { 'acme/shop': 'write', 'acme/docs': 'read' },
      },
      { token: NO_SCOPES, login: 'none', scopes: [] },
    ],
    apps: [APP],
  });
  github = githubRest({ url: `${standIn.url}/`, clock, timeoutMs: 30_000 });
  hasty = githubRest({ url: standIn.url, clock, timeoutMs: 300 });
});
beforeEach(() => standIn.set({ fault: () => null }));
afterAll(() => standIn.stop());

async function failure(work: Promise<unknown>): Promise<AppError> {
  return work.then(
    () => Promise.reject(new Error('it did not fail')),
    (error: unknown) => error as AppError,
  );
}

describe('the identity of a token', () => {
  it('has login, scopes, expiry and the remaining limit', async () => {
    expect(await github.identify(CLASSIC)).toEqual({
      login: 'octo',
      scopes: ['repo', 'read:user'],
      expiresAt: Date.parse('2027-01-02T03:04:05Z'),
      rate: { limit: 5000, remaining: 4988, resetsAt: expect.any(Number) },
    });
    expect(standIn.calls.at(-1)?.headers).toMatchObject({
      authorization: `Bearer ${CLASSIC}`,
      'x-github-api-version': '2022-11-28',
      'user-agent': 'soulcaster-backup',
    });
  });

  it('distinguishes a fine-grained token, which has no scopes, from a token with an empty list', async () => {
    const fine = await github.identify(FINE);
    expect([fine.scopes, fine.expiresAt]).toEqual([null, Date.parse('2027-01-02T03:04:05+02:00')]);
    expect(await github.identify(NO_SCOPES)).toMatchObject({ scopes: [], expiresAt: null });
  });

  it('reports its access to a repository', async () => {
    expect(await github.repository(FINE, 'acme/shop')).toBe('write');
    expect(await github.repository(FINE, 'acme/docs')).toBe('read');
    expect(await github.repository(FINE, 'acme/secret')).toBe('hidden');
  });
});

describe('the pair of an OAuth app', () => {
  it('is accepted when it is right, and refused when it is not', async () => {
    await github.checkApp(APP.clientId, APP.clientSecret);
    expect(await failure(github.checkApp(APP.clientId, 'wrong'))).toMatchObject({ code: 'github-denied' });
    expect(await failure(github.checkApp('other', APP.clientSecret))).toMatchObject({ code: 'github-denied' });
  });
});

describe('failures', () => {
  it.each<[GitHubFault, string]>([
    ['primary', 'github-exhausted'],
    ['address', 'github-limit'],
    ['login-attempts', 'github-unavailable'],
    ['secondary', 'github-limit'],
    ['secondary-bare', 'github-limit'],
    ['sso', 'github-sso'],
    ['suspended', 'github-suspended'],
    ['abuse', 'github-limit'],
    ['ip-allow-list', 'github-policy'],
    ['token-lifetime', 'github-policy'],
    ['classic-banned', 'github-policy'],
    ['app-restricted', 'github-policy'],
    ['not-accessible', 'github-scope'],
    ['cut', 'github-unavailable'],
    ['hang', 'github-unavailable'],
    ['not-json', 'github-unavailable'],
    [500, 'github-unavailable'],
    [502, 'github-unavailable'],
    [503, 'github-unavailable'],
  ])('%s is %s', async (fault, code) => {
    standIn.set({ fault: () => fault });
    const asked = fault === 'hang' ? hasty : github;
    for (const work of [() => asked.identify(CLASSIC), () => asked.repository(FINE, 'acme/shop')]) {
      const error = await failure(work());
      expect([error.code, error.hint.length > 20]).toEqual([code, true]);
      expect(`${error.message} ${error.hint}`).not.toMatch(/ghp_|github_pat_|acme sso|<html>/);
    }
  });

  it.each<[GitHubFault, RegExp, RegExp]>([
    ['ip-allow-list', /IP allow list/, /not at fault.*allowed address/],
    ['token-lifetime', /longer than 366 days/, /shorter life.*github rotate --env-file/],
    ['classic-banned', /classic/, /fine-grained/],
    ['app-restricted', /OAuth apps/, /approve the app/],
  ])('%s is reported with its cause and remedy, not as a missing scope', async (fault, message, hint) => {
    standIn.set({ fault: () => fault });
    const error = await failure(github.identify(CLASSIC));
    expect(error.message).toMatch(message);
    expect(error.hint).toMatch(hint);
    expect(error.hint).not.toMatch(/scope repo/);
  });

  it('a token that GitHub does not know is github-denied, after one request', async () => {
    const before = standIn.calls.length;
    expect(await failure(github.identify('ghp_unknown'))).toMatchObject({ code: 'github-denied', transient: false });
    expect(standIn.calls.length).toBe(before + 1);
  });

  it('says how long a limit lasts, and sends no further request', async () => {
    const before = standIn.calls.length;
    standIn.set({ fault: () => 'primary' });
    const { retryAfterMs = 0 } = await failure(github.identify(CLASSIC));
    // The clock has jumped over the waits of the tests before.
    expect(retryAfterMs).toBeGreaterThan(0);
    standIn.set({ fault: () => 'secondary' });
    expect(await failure(github.identify(CLASSIC))).toMatchObject({ retryAfterMs: 60_000 });
    expect(standIn.calls.length).toBe(before + 2);
  });

  it('a transient failure is retried', async () => {
    let left = 2;
    standIn.set({ fault: () => (left-- > 0 ? 503 : null) });
    expect((await github.identify(CLASSIC)).login).toBe('octo');
  });

  it('a token that a header cannot hold is a configuration error, and not quoted', async () => {
    const error = await failure(github.identify('ghp_with a space'));
    expect([error.code, error.message.includes('space ')]).toEqual(['config', false]);
    expect(error.message).not.toContain('ghp_with');
  });
});
