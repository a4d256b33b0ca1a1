import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { recipientsOf } from '../../lib/crypto/age.js';
import { generateSigningKey } from '../../lib/crypto/ed25519.js';
import { parseEnvFile } from '../../lib/app/config/env-file.js';
import { cli, withoutSecrets, type Ended } from './fixture.js';
import { openClouds, PROJECT, type Clouds } from './setup-fixture.js';

let clouds: Clouds;
beforeAll(async () => {
  clouds = await openClouds();
});
afterAll(() => clouds.stop());

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'init-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

type Answers = Record<string, string | null>;
const file = (): string => join(folder, '.env');
/** Stores of a test's own: control state of another's signing key does not count. */
const everything = (): Record<string, string> => ({
  ...clouds.answers,
  BACKUP_STORE: `file://${folder}/first`,
  BACKUP_REPLICA_STORE: `file://${folder}/second`,
});
const written = (): Record<string, string> => parseEnvFile(readFileSync(file()));

/** Answers on the standard input. Fails when one of the secrets is in what is shown. */
async function init(answers: Answers, ...args: string[]): Promise<Ended> {
  const result = await cli(['init', '--answers', '-', '--file', file(), ...args], {}, JSON.stringify(answers));
  const secrets = Object.entries(answers).filter((entry): entry is [string, string] => entry[1] !== null);
  return withoutSecrets(result, Object.fromEntries(secrets));
}

describe('init with answers', () => {
  it('fetches or generates missing values, checks everything, and writes variables that pass doctor', async () => {
    const result = await init(everything(), '--json');
    expect(result.stderr).not.toContain('error:');
    expect(result.code).toBe(0);
    const {
      changes,
      checks,
      written: isWritten,
      lacking,
    } = JSON.parse(result.stdout) as {
      changes: { name: string; value: string | null }[];
      checks: { name: string; ok: boolean; status: string }[];
      written: boolean;
      lacking: object[];
    };
    expect([isWritten, lacking]).toEqual([true, []]);
    expect(checks.filter(({ ok }) => !ok)).toEqual([]);
    expect(checks.map(({ name }) => name)).toEqual(
      expect.arrayContaining([
        'account',
        'redis',
        'store-writes',
        'hosting',
        'queue',
        'signature',
        'encryption',
        'drill',
        'replica',
        'index',
      ]),
    );
    const env = written();
    const { redis, queue } = clouds.stack;
    expect(env).toMatchObject({
      ...everything(),
      UPSTASH_REDIS_ID: 'db-main',
      UPSTASH_REDIS_REST_URL: redis.url,
      UPSTASH_REDIS_REST_TOKEN: redis.token,
      PUBLIC_URL: clouds.publicUrl,
      SOULCASTER_BACKUP_PROJECT: PROJECT,
      QSTASH_CURRENT_SIGNING_KEY: queue.currentSigningKey,
      QSTASH_NEXT_SIGNING_KEY: queue.nextSigningKey,
      BACKUP_AGE_IDENTITY_FILE: 'age-identity.txt',
    });
    const identity = readFileSync(join(folder, 'age-identity.txt'), 'utf8');
    expect(await recipientsOf(identity)).toEqual([env['BACKUP_AGE_RECIPIENTS']]);
    for (const name of ['.env', 'age-identity.txt']) expect(statSync(join(folder, name)).mode & 0o777).toBe(0o600);
    // What was fetched or made is a secret like what was given.
    for (const name of ['UPSTASH_REDIS_REST_TOKEN', 'CRON_SECRET', 'BACKUP_SIGNING_KEY', 'QSTASH_NEXT_SIGNING_KEY']) {
      expect(result.stdout + result.stderr).not.toContain(env[name]);
    }
    expect(result.stdout + result.stderr).not.toContain('AGE-SECRET-KEY');
    expect(changes.find(({ name }) => name === 'ADMIN_TOKEN')).toMatchObject({ change: 'added', value: null });
    expect(readdirSync(folder).sort()).toEqual(['.env', 'age-identity.txt', 'first', 'second']);

    // The identity is found through its file.
    const backup = await cli(['--env-file', file(), 'backup', '--local']);
    const verify = await cli(['--env-file', file(), 'verify', '--local', '--json']);
    expect([backup.code, verify.code]).toEqual([0, 0]);
    expect(verify.stdout).not.toContain('"contentsChecked": false');
  });

  it('adds what is missing when run again, and lists the changes; without --force an existing file stays', async () => {
    await init({ ...everything(), ALERT_WEBHOOK_URL: null, BACKUP_AGE_RECIPIENTS: null });
    const before = readFileSync(file(), 'utf8');
    expect(before).toContain('# Left out: Alerts - nobody is told');
    expect(written()).not.toHaveProperty('BACKUP_AGE_RECIPIENTS');

    const refused = await init(everything());
    expect([refused.code, readFileSync(file(), 'utf8')]).toEqual([2, before]);
    expect(refused.stderr).toContain('cannot be confirmed');

    writeFileSync(file(), `# mine\n${before}\nMY_OWN=1\n`);
    const again = await init({ ALERT_WEBHOOK_URL: clouds.answers['ALERT_WEBHOOK_URL'] ?? '' }, '--force');
    expect([again.code, again.stdout.match(/^FAIL.*$/gm)]).toEqual([0, null]);
    expect(again.stdout).toMatch(/\+ ALERT_WEBHOOK_URL\n/);
    expect(again.stdout).not.toMatch(/[+~-] CRON_SECRET/);
    const text = readFileSync(file(), 'utf8');
    expect(text.startsWith(`# mine\n${before.trimEnd()}`)).toBe(true);
    expect(written()).toMatchObject({ MY_OWN: '1' });
    // No encryption was this owner's choice: a new address of alerts does not turn it on.
    expect(written()).not.toHaveProperty('BACKUP_AGE_RECIPIENTS');

    const nothing = await init({}, '--force');
    expect(nothing.stdout).toContain('Nothing had to be changed');
    expect(readFileSync(file(), 'utf8')).toBe(text);
  });

  it('gives an existing file no signing key, and names the consequence of a first one that is given', async () => {
    await init({ ...everything(), BACKUP_SIGNING_KEY: null, ADMIN_TOKEN: null, CRON_SECRET: null });
    expect(written()).not.toHaveProperty('BACKUP_SIGNING_KEY');
    const unchanged = await init({}, '--force');
    expect([unchanged.code, unchanged.stdout]).toEqual([0, expect.stringContaining('Nothing had to be changed')]);
    const given = await init({ BACKUP_SIGNING_KEY: generateSigningKey().privateKey }, '--force');
    expect([given.code, given.stderr]).toEqual([
      0,
      expect.stringContaining(`snapshots adopt --unsigned --reason "first signing key" --env-file ${file()}`),
    ]);
  });

  it('leaves out a withheld variable alone, unless its service cannot work without it', async () => {
    await init(everything());
    const all = written();
    const args = { RESTORE_WEBHOOK_SECRET: null, GITHUB_CHECK_REPOS: null, VERCEL_TEAM_ID: null, HEARTBEAT_URL: null };
    const result = await init(args, '--force');
    expect(result.stderr).not.toContain('error:');
    const { RESTORE_WEBHOOK_SECRET: secret, HEARTBEAT_URL: heartbeat, GITHUB_CHECK_REPOS: repos, ...rest } = all;
    expect([secret, heartbeat]).toEqual([expect.any(String), expect.any(String)]);
    expect(repos === undefined || result.stdout.includes('- GITHUB_CHECK_REPOS')).toBe(true);
    expect(Object.fromEntries(Object.entries(written()).filter(([, value]) => value !== ''))).toEqual(rest);
  });

  it('keeps the identity of encrypted snapshots when encryption is turned off, and says that the functions still encrypt', async () => {
    await init(everything());
    const all = written();
    const result = await init({ BACKUP_AGE_RECIPIENTS: null }, '--force');
    const { BACKUP_AGE_RECIPIENTS: recipients, ...rest } = all;
    expect([result.code, recipients]).toEqual([0, expect.any(String)]);
    expect(Object.fromEntries(Object.entries(written()).filter(([, value]) => value !== ''))).toEqual(rest);
    expect(result.stderr).toContain(`deploy --remove BACKUP_AGE_RECIPIENTS --env-file ${file()}`);
    const again = await init({}, '--force');
    expect([again.code, again.stdout]).toEqual([0, expect.stringContaining('Nothing had to be changed')]);
  });

  it.each<[string, Answers, RegExp]>([
    ['a wrong token', { UPSTASH_REDIS_REST_URL: 'URL', UPSTASH_REDIS_REST_TOKEN: 'wrong-token' }, /FAIL {2}redis/],
    [
      'an unreachable host',
      { UPSTASH_REDIS_REST_URL: 'http://127.0.0.1:9', UPSTASH_REDIS_REST_TOKEN: 'token-x' },
      /FAIL {2}redis/,
    ],
    [
      'half of a service',
      { DRILL_REDIS_REST_URL: 'http://127.0.0.1:9' },
      /FAIL {2}drill .*DRILL_REDIS_REST_TOKEN is missing/,
    ],
    ['a store that cannot be', { BACKUP_STORE: 'file:///proc/none' }, /FAIL {2}store/],
  ])('writes nothing for %s', async (_, changes, expected) => {
    const url = clouds.stack.redis.url;
    const filled = Object.fromEntries(
      Object.entries(changes).map(([name, value]) => [name, value === 'URL' ? url : value]),
    );
    const given: Answers = { BACKUP_STORE: `file://${clouds.folder}/third`, ...filled };
    if (!('UPSTASH_REDIS_REST_URL' in given)) {
      Object.assign(given, { UPSTASH_REDIS_REST_URL: url, UPSTASH_REDIS_REST_TOKEN: clouds.stack.redis.token });
    }
    const { code, stdout } = await init(given);
    expect(stdout).toMatch(expected);
    expect([code, readdirSync(folder)]).toEqual([1, []]);
  });

  it.each<[string, Answers, RegExp]>([
    ['a name that is misspelt', { BACKUP_STOER: 'x' }, /BACKUP_STORE\?/],
    [
      'several values that are none',
      { BACKUP_STORE: 'nowhere', PUBLIC_URL: 'ftp://x' },
      /BACKUP_STORE must.*PUBLIC_URL must/,
    ],
  ])('refuses %s before anything is tried', async (_, answers, expected) => {
    const { code, stderr } = await init(answers);
    expect([code, readdirSync(folder)]).toEqual([2, []]);
    expect(stderr).toMatch(expected);
  });

  it('refuses a secret as an argument', async () => {
    const { code, stderr } = await cli(['init', '--file', file(), '--set', 'ADMIN_TOKEN=abcdefabcdefabcdef']);
    expect([code, readdirSync(folder)]).toEqual([2, []]);
    expect(stderr).toContain('is a secret');
    expect(stderr).not.toContain('abcdefabcdef');
  });

  it('asks nothing without a terminal', async () => {
    const { code, stderr } = await cli(['init', '--file', file()]);
    expect([code, stderr]).toEqual([2, expect.stringContaining('not a terminal')]);
  });
});
