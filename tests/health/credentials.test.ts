import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { githubRest } from '../../lib/services/github.js';
import {
  assertAppWorks,
  assertTokenWorks,
  githubAppChecks,
  githubTokenChecks,
} from '../../lib/health/credentials/github.js';
import { storedExpiry } from '../../lib/health/credentials/expiry.js';
import { examine, type CheckGroup, type CheckResult } from '../../lib/health/doctor.js';
import { startGitHub, type GitHubFault, type GitHubStandIn, type StandInToken } from '../../dev/github/index.js';
import { keyOf } from '../../lib/monitoring/alerts/condition.js';
import { applyEvaluation } from '../../lib/monitoring/alerts/ledger.js';
import { checksStep } from '../../lib/monitoring/services.js';
import { folderStore, type FolderStore } from '../support/folder-store.js';
import { jumpingClock } from '../support/clocks.js';

const DAY_MS = 86_400_000;
const TOKEN = 'ghp_token0token0token0token0token0token0';
const APP = { clientId: 'Ov23liAbCdEfGhIj', clientSecret: '0123456789abcdef0123456789abcdef01234567' };

const stamp = (ms: number): string =>
  new Date(ms)
    .toISOString()
    .replace('T', ' ')
    .replace(/\.\d+Z$/, ' UTC');

let standIn: GitHubStandIn;
let folder: FolderStore;
let clock: ReturnType<typeof jumpingClock>;
beforeAll(async () => {
  standIn = await startGitHub();
});
beforeEach(async () => {
  folder = await folderStore();
  clock = jumpingClock();
  timeoutMs = 30_000;
  standIn.set({ tokens: [known()], apps: [APP], fault: () => null });
});
afterEach(() => folder.remove());
afterAll(() => standIn.stop());

function known(changes: Partial<StandInToken> = {}): StandInToken {
  return { token: TOKEN, login: 'octo', scopes: ['repo'], ...changes };
}

let timeoutMs: number;
const github = () => githubRest({ url: standIn.url, clock, timeoutMs });

async function look(repositories: string[] = []): Promise<CheckResult[]> {
  const expiry = storedExpiry(() => folder.store);
  const group = githubTokenChecks(github, { clock, expiry }, () => ({ token: TOKEN, repositories }));
  return all(group);
}

async function all(group: CheckGroup): Promise<CheckResult[]> {
  const results: CheckResult[] = [];
  for await (const result of examine({ ...clock, sleep: never }, [group])) results.push(result);
  return results;
}

/** The time limit of a check is not what is tried here. */
const never = (): Promise<void> => new Promise(() => undefined);

async function lookAtApp(clientSecret = APP.clientSecret): Promise<CheckResult[]> {
  const group = githubAppChecks(github, () => ({ clientId: APP.clientId, clientSecret }));
  return all(group);
}

describe('the token', () => {
  it('that is valid is ok, and names its owner', async () => {
    expect(await look()).toMatchObject([
      { name: 'github-token', status: 'ok', code: 'accepted', detail: expect.stringContaining('octo') },
      { name: 'github-repos', status: 'skipped' },
    ]);
  });

  it('that expires soon is a warning, with the day', async () => {
    const end = Date.now() + 5 * DAY_MS;
    standIn.set({ tokens: [known({ expires: stamp(end) })] });
    const [seen] = await look();
    expect(seen).toMatchObject({ status: 'warn', code: 'expires-soon', ok: true });
    expect(seen?.detail).toContain(new Date(end).toISOString().slice(0, 10));
  });

  it('that has expired differs from a revoked one, once its expiry is recorded', async () => {
    standIn.set({ tokens: [known({ expires: stamp(Date.now() + 30 * DAY_MS) })] });
    expect((await look())[0]).toMatchObject({ status: 'ok' });
    standIn.set({ tokens: [] });
    const [revoked] = await look();
    expect(revoked).toMatchObject({
      status: 'fail',
      code: 'revoked',
      detail: expect.stringContaining('before it expired'),
    });
    clock.jump(31 * DAY_MS);
    expect((await look())[0]).toMatchObject({
      status: 'fail',
      code: 'expired',
      hint: expect.stringContaining('rotate'),
    });
  });

  it('without a recorded expiry may be either', async () => {
    standIn.set({ tokens: [] });
    expect((await look())[0]).toMatchObject({
      code: 'revoked',
      detail: expect.stringContaining('revoked, has expired'),
    });
  });

  it('without the scope fails, and names the scopes it has', async () => {
    standIn.set({ tokens: [known({ scopes: ['public_repo', 'gist'] })] });
    expect((await look())[0]).toMatchObject({
      status: 'fail',
      code: 'under-scoped',
      detail: expect.stringContaining('public_repo, gist'),
    });
  });

  it('that is fine-grained is checked with a repository', async () => {
    const repositories = { 'acme/shop': 'write', 'acme/docs': 'read' } as const;
    standIn.set({ tokens: [known({ scopes: null, repositories })] });
    expect((await look())[0]).toMatchObject({ status: 'warn', code: 'scopes-unknown' });
    expect((await look(['acme/shop'])).map(({ code }) => code)).toEqual(['accepted', 'accepted']);
    expect((await look(['acme/shop', 'acme/docs']))[1]).toMatchObject({ status: 'fail', code: 'under-scoped' });
    expect((await look(['acme/gone']))[1]).toMatchObject({
      code: 'not-reached',
      detail: expect.stringMatching(/404.*no repository of that name.*not a member.*no access to it/),
      hint: expect.stringMatching(/Repository access.*GITHUB_CHECK_REPOS/),
    });
  });

  it.each<[GitHubFault, string, string]>([
    ['primary', 'rate-limited', 'warn'],
    ['secondary', 'rate-limited', 'fail'],
    ['address', 'rate-limited', 'fail'],
    ['login-attempts', 'unreachable', 'fail'],
    ['sso', 'sso-required', 'fail'],
    ['suspended', 'suspended', 'fail'],
    ['not-accessible', 'under-scoped', 'fail'],
    ['cut', 'unreachable', 'fail'],
    [503, 'unreachable', 'fail'],
  ])('(%s) is %s: %s', async (fault, code, status) => {
    standIn.set({ fault: () => fault });
    const [seen] = await look();
    expect(seen).toMatchObject({ code, status, hint: expect.stringMatching(/\w/) });
  });

  it('counts as accepted when its own rate limit is used up, but not with the limit of an address', async () => {
    standIn.set({ fault: () => 'primary' });
    expect((await look())[0]?.detail).toMatch(
      /^GitHub accepts the token, but refuses its requests for now: .* for \d+ s more/,
    );
    standIn.set({ fault: () => 'address' });
    expect((await look())[0]?.detail).toMatch(/^it could not be tried/);
  });

  it('that cannot be tried is not ok, opens no alert and resolves none', async () => {
    const service = async (fault: GitHubFault | null) => {
      standIn.set({ fault: () => fault });
      const expiry = storedExpiry(() => folder.store);
      const group = githubTokenChecks(github, { clock, expiry }, () => ({ token: TOKEN, repositories: ['acme/shop'] }));
      const patient = { ...clock, sleep: never };
      return checksStep(patient, [group], {
        deadline: Infinity,
        lastAttempt: false,
        interrupt: new AbortController().signal,
      });
    };
    const now = clock.now();
    const revoked = await service('suspended');
    const open = applyEvaluation([], revoked, now);
    expect(open.map(keyOf)).toEqual(['credential-failed github-token']);
    const repositories = [...open, ...open.map((alert) => ({ ...alert, subject: 'github-repos' }))];
    // What was not made, since another failed, is not known to be over.
    expect(applyEvaluation(repositories, revoked, now).map(({ resolvedAt }) => resolvedAt)).toEqual([null, null]);
    const limited = await service('primary');
    expect([limited.conditions, limited.services]).toMatchObject([[], [{ name: 'github-token', state: 'unknown' }]]);
    expect(applyEvaluation(repositories, limited, now).map(({ resolvedAt }) => resolvedAt)).toEqual([null, null]);
    standIn.set({ tokens: [known({ repositories: { 'acme/shop': 'write' } })] });
    const good = await service(null);
    expect(good.services).toMatchObject([{ name: 'github-token', state: 'ok' }]);
    expect(applyEvaluation(repositories, good, now).every(({ resolvedAt }) => resolvedAt !== null)).toBe(true);
  });

  it('is checked without a store, too, and leaves no secret in a store', async () => {
    standIn.set({ tokens: [known({ expires: stamp(Date.now() + 30 * DAY_MS) })] });
    await look();
    const body = (await folder.store.read('credentials/github-token.json'))?.body.toString('utf8');
    expect(body).toContain('expiresAt');
    expect(body).not.toContain(TOKEN);
    await folder.remove();
    const broken = storedExpiry(() => {
      throw new Error('no store');
    });
    const group = githubTokenChecks(github, { clock, expiry: broken }, () => ({ token: TOKEN, repositories: [] }));
    expect((await all(group))[0]).toMatchObject({ status: 'ok' });
  });
});

describe('the OAuth app', () => {
  it('is ok, or has a wrong secret', async () => {
    expect(await lookAtApp()).toMatchObject([{ name: 'github-app', status: 'ok', code: 'accepted' }]);
    expect(await lookAtApp('wrong')).toMatchObject([{ status: 'fail', code: 'wrong-secret' }]);
  });

  it.each<[GitHubFault, string, string]>([
    ['suspended', 'suspended', 'fail'],
    ['not-accessible', 'suspended', 'fail'],
    ['primary', 'rate-limited', 'warn'],
    ['hang', 'unreachable', 'fail'],
    ['not-json', 'unreachable', 'fail'],
  ])('(%s) is %s: %s', async (fault, code, status) => {
    if (fault === 'hang') timeoutMs = 300;
    standIn.set({ fault: () => fault });
    expect(await lookAtApp()).toMatchObject([{ code, status }]);
  });
});

describe('a new value', () => {
  it('is accepted if it works, also with a warning', async () => {
    expect(await assertTokenWorks(github(), clock, { token: TOKEN, repositories: [] })).toContain('octo');
    standIn.set({ tokens: [known({ scopes: null })] });
    expect(await assertTokenWorks(github(), clock, { token: TOKEN, repositories: [] })).toContain('octo');
    expect(await assertAppWorks(github(), APP)).toContain('accepts');
  });

  it.each<[GitHubFault | null, string, string]>([
    [null, 'ghp_unknown', 'github-denied'],
    ['sso', TOKEN, 'github-denied'],
    ['primary', TOKEN, 'github-unavailable'],
    [503, TOKEN, 'github-unavailable'],
  ])('is refused if it does not work or cannot be tried (%s)', async (fault, token, code) => {
    standIn.set({ fault: () => fault });
    await expect(assertTokenWorks(github(), clock, { token, repositories: [] })).rejects.toMatchObject({ code });
  });
});
