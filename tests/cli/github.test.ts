import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import {
  CLIENT_ID,
  NEW_SECRET,
  NEW_TOKEN,
  OLD_SECRET,
  OLD_TOKEN,
  openAccounts,
  textOf,
  type Accounts,
} from './accounts-fixture.js';
import { spawnCli, until } from './fixture.js';

const BACKEND = 'soulcaster-backend';
const DASHBOARD = 'soulcaster-dashboard';

let accounts: Accounts;
beforeEach(async () => {
  accounts = await openAccounts();
});
afterEach(() => accounts.stop());

const writes = (): number => accounts.vercel.calls.filter(({ method }) => method !== 'GET').length;
const token = (): [string | undefined, string | undefined] => [
  accounts.vercel.valueOf(BACKEND, 'GITHUB_TOKEN'),
  accounts.vercel.served(BACKEND)['GITHUB_TOKEN'],
];

describe('github check', () => {
  it('reports what is wrong with each credential, and what to do', async () => {
    const env = { GITHUB_TOKEN: OLD_TOKEN, GITHUB_ID: CLIENT_ID, GITHUB_SECRET: OLD_SECRET };
    const { code, stdout } = await accounts.run(['github', 'check'], '', env);
    expect(code).toBe(1);
    expect(stdout).toMatch(/^FAIL {2}github-token .*HTTP 401.*\n +-> .*github rotate/m);
    expect(stdout).toMatch(/^FAIL {2}github-app .*HTTP 401.*\n +-> .*github rotate --app/m);
  });

  it('passes with valid credentials, and reports the outcome in JSON', async () => {
    const env = { GITHUB_TOKEN: NEW_TOKEN, GITHUB_ID: CLIENT_ID, GITHUB_SECRET: NEW_SECRET };
    const { code, json } = await accounts.runJson(['github', 'check'], '', env);
    expect(code).toBe(0);
    expect(json).toMatchObject({
      ok: true,
      checks: [
        { name: 'github-token', code: 'accepted' },
        { name: 'github-repos', status: 'skipped' },
        { name: 'github-app', code: 'accepted' },
      ],
    });
  });

  it('exits with 3 when GitHub is unreachable, and says that the credential is not at fault', async () => {
    accounts.github.set({ fault: () => 'primary' });
    const { code, stdout } = await accounts.run(['github', 'check'], '', { GITHUB_TOKEN: OLD_TOKEN });
    expect([code, stdout]).toEqual([
      3,
      expect.stringContaining('GitHub accepts the token, but refuses its requests for now'),
    ]);
  });

  it('reports half of a pair, and invalid repositories', async () => {
    const half = await accounts.run(['github', 'check'], '', { GITHUB_ID: CLIENT_ID });
    expect([half.code, half.stdout]).toEqual([1, expect.stringContaining('GITHUB_SECRET is missing')]);
    const env = { GITHUB_TOKEN: NEW_TOKEN, GITHUB_CHECK_REPOS: 'https://github.com/acme/shop' };
    const odd = await accounts.run(['github', 'check'], '', env);
    expect([odd.code, odd.stdout]).toEqual([1, expect.stringContaining('GITHUB_CHECK_REPOS must be')]);
  });

  it('is part of doctor', async () => {
    const { json } = await accounts.runJson(['doctor'], '', { GITHUB_TOKEN: OLD_TOKEN });
    expect(json['checks']).toContainEqual(
      expect.objectContaining({ name: 'github-token', code: 'revoked', ok: false }),
    );
  });
});

describe('github rotate', () => {
  it('sets a token from a pipe, and rebuilds the backend', async () => {
    const { code, json } = await accounts.runJson(['github', 'rotate', '--value-stdin', '--yes'], `${NEW_TOKEN}\n`);
    expect([code, json]).toEqual([
      0,
      expect.objectContaining({ outcome: 'done', counts: { variables: 1, changed: 1, redeployed: 1 }, error: null }),
    ]);
    expect(token()).toEqual([NEW_TOKEN, NEW_TOKEN]);
  });

  it('changes nothing in a dry run, with the value from a variable', async () => {
    const args = ['github', 'rotate', '--dry-run', '--value-env', 'FRESH_TOKEN'];
    const { code, stdout } = await accounts.run(args, '', { FRESH_TOKEN: NEW_TOKEN });
    expect([code, writes(), await textOf(accounts.folder), token()]).toEqual([0, 0, '', [OLD_TOKEN, OLD_TOKEN]]);
    expect(stdout).toContain('a dry run: nothing was changed');
    expect(stdout).toMatch(/soulcaster-backend +GITHUB_TOKEN +gets the new value +dpl_\w+ is rebuilt/);
  });

  it('refuses a token that does not work, before anything is changed', async () => {
    const { code, stderr } = await accounts.run(['github', 'rotate', '--value-stdin', '--yes'], 'ghp_typo');
    expect([code, writes()]).toEqual([1, 0]);
    expect(stderr).toContain('The new value does not work');
  });

  it('rolls back when the new deployment fails, and reports that', async () => {
    accounts.vercel.set({
      build: (_, { GITHUB_TOKEN }) => ({ buildingReads: 0, ending: GITHUB_TOKEN === NEW_TOKEN ? 'ERROR' : 'READY' }),
    });
    const { code, stdout, stderr } = await accounts.run(['github', 'rotate', '--value-stdin', '--yes'], NEW_TOKEN);
    expect([code, token()]).toEqual([1, [OLD_TOKEN, OLD_TOKEN]]);
    expect(stdout).toContain('rolled back: everything is as it was before');
    expect(stderr).toMatch(/error: Everything is as it was before: Deployment dpl_\w+ of soulcaster-backend failed/);
  });

  it('sets a new secret of the OAuth app, and switches to another app', async () => {
    const rotated = await accounts.run(['github', 'rotate', '--app', '--value-stdin', '--yes'], NEW_SECRET, {
      GITHUB_ID: CLIENT_ID,
    });
    expect([rotated.code, accounts.vercel.served(DASHBOARD)]).toEqual([
      0,
      { GITHUB_ID: CLIENT_ID, GITHUB_SECRET: NEW_SECRET },
    ]);
    accounts.github.set({ apps: [{ clientId: 'Ov23other', clientSecret: OLD_SECRET }] });
    const args = ['github', 'rotate', '--app', '--client-id', 'Ov23other', '--value-stdin', '--yes'];
    expect((await accounts.run(args, OLD_SECRET)).code).toBe(0);
    expect(accounts.vercel.served(DASHBOARD)).toEqual({ GITHUB_ID: 'Ov23other', GITHUB_SECRET: OLD_SECRET });
  });

  it('resumes a rotation that was killed', async () => {
    accounts.vercel.set({ build: () => ({ buildingReads: 10_000 }) });
    const env = { ...accounts.env };
    const child = spawnCli(['github', 'rotate', '--value-stdin', '--yes'], env);
    child.stdin.end(NEW_TOKEN);
    await until(child, () => accounts.vercel.project(BACKEND).deployments.length === 2);
    child.kill('SIGKILL');
    await child;
    const locked = await accounts.run(['github', 'rotate', '--value-stdin', '--yes'], NEW_TOKEN);
    expect([locked.code, locked.stderr]).toEqual([11, expect.stringContaining('its lease expires in')]);
    await rm(join(accounts.folder, 'leases'), { recursive: true });
    const [deployment] = accounts.vercel.project(BACKEND).deployments;
    if (deployment !== undefined) deployment.state = 'READY';
    const { code, json } = await accounts.runJson(['github', 'rotate', '--value-stdin', '--yes'], NEW_TOKEN);
    expect([code, json]).toEqual([0, expect.objectContaining({ outcome: 'done', resumed: true })]);
    expect(accounts.vercel.project(BACKEND).deployments).toHaveLength(2);
    expect(token()).toEqual([NEW_TOKEN, NEW_TOKEN]);
  });
});

describe('github rotate and a sensitive variable', () => {
  beforeEach(async () => {
    await accounts.stop();
    accounts = await openAccounts({ [BACKEND]: { GITHUB_TOKEN: { value: OLD_TOKEN, type: 'sensitive' } } });
  });

  it('asks for consent, or for the old value', async () => {
    const args = ['github', 'rotate', '--value-stdin', '--yes'];
    const refused = await accounts.run(args, NEW_TOKEN);
    expect([refused.code, writes(), refused.stderr]).toEqual([2, 0, expect.stringContaining('--no-way-back')]);
    accounts.vercel.set({ build: () => ({ buildingReads: 0, ending: 'ERROR' }) });
    const back = await accounts.run([...args, '--old-value-stdin'], `${NEW_TOKEN}\n${OLD_TOKEN}\n`);
    expect([back.code, accounts.vercel.valueOf(BACKEND, 'GITHUB_TOKEN')]).toEqual([1, OLD_TOKEN]);
    accounts.vercel.set({ build: () => ({ buildingReads: 0 }) });
    expect((await accounts.run([...args, '--no-way-back'], NEW_TOKEN)).code).toBe(0);
    expect(token()).toEqual([NEW_TOKEN, NEW_TOKEN]);
  });
});

describe('github rotate refuses', () => {
  it.each<[string, string[], string, number, RegExp]>([
    ['to ask without a terminal', ['--value-stdin'], NEW_TOKEN, 2, /not a terminal/],
    ['to work without a value', ['--yes'], '', 2, /new value cannot be asked for/],
    ['an empty input', ['--yes', '--value-stdin'], '\n', 2, /does not contain the new value/],
    ['more values than needed', ['--yes', '--value-stdin'], 'one\ntwo\n', 2, /more lines/],
    ['a missing old value', ['--yes', '--value-stdin', '--old-value-stdin'], 'one\n', 2, /the present value/],
    ['an invalid token', ['--yes', '--value-stdin'], 'two words', 2, /contains spaces/],
    ['a variable that is not set', ['--yes', '--value-env', 'NOT_THERE'], '', 2, /"NOT_THERE" is not set/],
    ['two places at once', ['--yes', '--value-stdin', '--value-env', 'X'], NEW_TOKEN, 2, /cannot be used with/],
    [
      'a client id without --app',
      ['--yes', '--value-stdin', '--client-id', 'x'],
      NEW_TOKEN,
      2,
      /only be used with --app/,
    ],
    ['--app without a client id', ['--yes', '--value-stdin', '--app'], NEW_SECRET, 2, /GITHUB_ID is missing/],
    ['both at once', ['--yes', '--value-stdin', '--app', '--token'], NEW_TOKEN, 2, /cannot be used with/],
  ])('%s', async (_, args, input, expected, words) => {
    const { code, stderr } = await accounts.run(['github', 'rotate', ...args], input);
    expect([code, stderr, writes()]).toEqual([expected, expect.stringMatching(words), 0]);
    expect(accounts.vercel.calls).toEqual([]);
  });

  it('without its variables, all of which it names at once', async () => {
    const env = { VERCEL_API_TOKEN: '', BACKUP_STORE: '' };
    const { code, stderr } = await accounts.run(['github', 'rotate', '--yes', '--value-stdin'], NEW_TOKEN, env);
    expect([code, stderr]).toEqual([2, expect.stringMatching(/BACKUP_STORE is missing.*|VERCEL_API_TOKEN is missing/)]);
    expect(stderr).toContain('VERCEL_API_TOKEN is missing');
  });
});
