import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { createPublicKey } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { generateAgeIdentity } from '../../lib/crypto/age.js';
import { generateSigningKey } from '../../lib/crypto/ed25519.js';
import { formatEnvLine, parseEnvFile } from '../../lib/app/config/env-file.js';
import { cli, cliJson, cliProcess, openStack, type CliStack } from './fixture.js';

let stack: CliStack;
let folder: string;
beforeAll(async () => {
  stack = await openStack();
  folder = await mkdtemp(join(tmpdir(), 'rotate-keys-'));
});
afterAll(async () => {
  await stack.stop();
  await rm(folder, { recursive: true, force: true });
});

const file = (): string => join(folder, '.env');

describe('rotate-keys', () => {
  it('keeps every earlier snapshot listed, trusted and restorable, and uses the new keys for new snapshots', async () => {
    const { identity, recipient } = await generateAgeIdentity();
    writeFileSync(join(folder, 'identity.txt'), `${identity}\n`);
    const inTheSafe = await generateAgeIdentity();
    const { BACKUP_STORE, UPSTASH_REDIS_REST_TOKEN, UPSTASH_REDIS_REST_URL } = await stack.alone();
    const variables = {
      BACKUP_STORE: BACKUP_STORE ?? '',
      UPSTASH_REDIS_REST_TOKEN: UPSTASH_REDIS_REST_TOKEN ?? '',
      UPSTASH_REDIS_REST_URL: UPSTASH_REDIS_REST_URL ?? '',
      BACKUP_SIGNING_KEY: generateSigningKey().privateKey,
      BACKUP_AGE_RECIPIENTS: `${recipient},${inTheSafe.recipient}`,
      BACKUP_AGE_IDENTITY_FILE: 'identity.txt',
    };
    writeFileSync(
      file(),
      Object.entries(variables)
        .map(([name, value]) => `${formatEnvLine(name, value)}\n`)
        .join(''),
    );
    const run = (...args: string[]) => cliJson([...args, '--env-file', file()], {});
    const taken: string[] = [];
    // Twice: what the first rotation accepted, the second has to keep.
    for (let time = 0; time < 3; time++) {
      taken.push(String((await run('backup', '--local')).json['snapshot']));
      if (time === 2) break;
      const { code, stdout, stderr } = await cli([
        'rotate-keys',
        '--signing',
        '--recipients',
        '--secrets',
        '--yes',
        '--file',
        file(),
      ]);
      expect([code, stdout + stderr]).toEqual([0, expect.not.stringMatching(/AGE-SECRET-KEY|MC4CAQ/)]);
    }
    const { json } = await run('snapshots', 'list');
    const listed = json['snapshots'] as { id: string; trust: string }[];
    expect(listed.map(({ id }) => id).sort()).toEqual([...taken].sort());
    for (const id of taken) {
      const verified = await run('verify', id, '--local');
      expect(verified.json).toMatchObject({ verified: true, depth: 'lines', findings: [] });
      const planned = await run('restore', id, '--dry-run', '--local');
      expect(planned.code).toBe(0);
    }
    const env = parseEnvFile(readFileSync(file()));
    expect(env['BACKUP_SIGNING_PUBLIC_KEY']?.split(',')).toHaveLength(2);
    // The identity in the safe still opens new snapshots; the one of the identity file does not.
    expect(env['BACKUP_AGE_RECIPIENTS']?.split(',')).toEqual([expect.stringMatching(/^age1/), inTheSafe.recipient]);
    expect(env['BACKUP_AGE_RECIPIENTS']).not.toContain(recipient);
    expect(env).toMatchObject({
      CRON_SECRET: expect.stringMatching(/^[0-9a-f]{48}$/),
      ADMIN_TOKEN: expect.stringMatching(/^[0-9a-f]{48}$/),
      RESTORE_WEBHOOK_SECRET: expect.stringMatching(/^whsec_/),
    });
    expect(env['CRON_SECRET']).not.toBe(env['ADMIN_TOKEN']);
    expect(readFileSync(join(folder, 'identity.txt'), 'utf8').match(/AGE-SECRET-KEY/g)).toHaveLength(3);
    for (const name of ['.env', 'identity.txt']) expect(statSync(join(folder, name)).mode & 0o777).toBe(0o600);
  });

  it('changes nothing if no keys are named or the change is not confirmed', async () => {
    const before = readFileSync(file(), 'utf8');
    expect((await cli(['rotate-keys', '--file', file(), '--yes'])).code).toBe(2);
    expect((await cli(['rotate-keys', '--signing', '--file', file()])).code).toBe(2);
    expect(readFileSync(file(), 'utf8')).toBe(before);
  });

  it('turns encryption on only if recipients alone are named, and says what the functions can no longer do', async () => {
    const named = join(folder, 'clear.env');
    writeFileSync(named, `${formatEnvLine('BACKUP_SIGNING_KEY', generateSigningKey().privateKey)}\n`);
    const leaked = await cli(['rotate-keys', '--signing', '--recipients', '--secrets', '--yes', '--file', named]);
    expect([leaked.code, leaked.stdout]).toEqual([0, expect.stringContaining('there is no recipient to replace')]);
    const unencrypted = parseEnvFile(readFileSync(named));
    expect(Object.keys(unencrypted).filter((name) => name.startsWith('BACKUP_AGE_'))).toEqual([]);
    writeFileSync(named, `${readFileSync(named, 'utf8')}BACKUP_AGE_IDENTITY_FILE=clear.txt\n`);
    const on = await cli(['rotate-keys', '--recipients', '--yes', '--file', named]);
    expect([on.code, on.stdout]).toEqual([0, expect.stringMatching(/is the first one: .*drill --local/)]);
    expect(on.stderr).toContain('Without it, every encrypted snapshot is lost');
    expect(on.stdout).not.toContain('old identity');
    expect(parseEnvFile(readFileSync(named))).toMatchObject({ BACKUP_AGE_RECIPIENTS: expect.stringMatching(/^age1/) });
    const elsewhere = join(folder, 'elsewhere.env');
    const { recipient } = await generateAgeIdentity();
    writeFileSync(elsewhere, `BACKUP_AGE_RECIPIENTS=${recipient}\nBACKUP_AGE_IDENTITY_FILE=elsewhere.txt\n`);
    const beside = await cli(['rotate-keys', '--recipients', '--yes', '--file', elsewhere]);
    expect([beside.code, beside.stdout]).toEqual([0, expect.stringContaining('identities that are kept elsewhere')]);
  });

  it('keeps public keys that are PEM blocks in the file, as base64 beside the old key', async () => {
    const named = join(folder, 'pem.env');
    const [own, older] = [generateSigningKey(), generateSigningKey()];
    const pem = createPublicKey({ key: Buffer.from(older.publicKey, 'base64'), format: 'der', type: 'spki' });
    const lines = [
      formatEnvLine('BACKUP_SIGNING_KEY', own.privateKey),
      formatEnvLine('BACKUP_SIGNING_PUBLIC_KEY', String(pem.export({ format: 'pem', type: 'spki' }))),
    ];
    writeFileSync(named, `${lines.join('\n')}\n`);
    expect((await cli(['rotate-keys', '--signing', '--yes', '--file', named])).code).toBe(0);
    const { BACKUP_SIGNING_PUBLIC_KEY } = parseEnvFile(readFileSync(named));
    expect(BACKUP_SIGNING_PUBLIC_KEY?.split(',')).toEqual([own.publicKey, older.publicKey]);
  });

  it('changes the file of --env-file, not the .env of the folder', async () => {
    const named = join(folder, 'staging.env');
    const ours = `${formatEnvLine('BACKUP_SIGNING_KEY', generateSigningKey().privateKey)}\n`;
    writeFileSync(named, ours);
    writeFileSync(join(folder, '.env'), ours);
    const rotate = ['rotate-keys', '--signing', '--yes', '--json'];
    const { code, stderr, stdout } = await cliProcess([...rotate, '--env-file', 'staging.env'], {}, folder);
    expect([code, (JSON.parse(stdout) as { file: string }).file]).toEqual([0, 'staging.env']);
    expect(stderr).toContain('deploy --env-file staging.env`');
    expect(readFileSync(join(folder, '.env'), 'utf8')).toBe(ours);
    expect(parseEnvFile(readFileSync(named))['BACKUP_SIGNING_PUBLIC_KEY']).toBeDefined();
    // The next step is that of the file that was changed, whatever file the command read.
    for (const words of [[], ['--file', '.env', '--env-file', 'staging.env']]) {
      const ownFile = await cliProcess([...rotate, ...words], {}, folder);
      expect([ownFile.code, ownFile.stderr]).toEqual([0, expect.stringContaining('deploy --env-file .env`')]);
    }
  });
});
