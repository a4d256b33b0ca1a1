import { spawnSync } from 'node:child_process';
import { mkdtemp, open, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { ageEncryptor, recipientsOf } from '../../lib/crypto/age.js';
import { ed25519Signer } from '../../lib/crypto/ed25519.js';
import { loadConfig } from '../../lib/app/config.js';
import { parseEnvFile } from '../../lib/app/config/env-file.js';
import { cli, cliJson, ROOT } from './fixture.js';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'keygen-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

describe('keygen', () => {
  it('writes an age identity that decrypts what is encrypted to the printed recipient, and never overwrites a file', async () => {
    const file = join(folder, 'identity.txt');
    const { code, json, stderr, stdout } = await cliJson(['keygen', 'age', '--out', file], {});
    const text = await readFile(file, 'utf8');
    expect([code, json['file'], (await stat(file)).mode & 0o777]).toEqual([0, file, 0o600]);
    const recipient = String(json['recipient']);
    expect(await recipientsOf(text)).toEqual([recipient]);
    const encryptor = ageEncryptor({ recipients: [recipient], identity: text });
    expect(await encryptor.open(await encryptor.encrypt(Buffer.from('x')), '.age')).toEqual(Buffer.from('x'));
    expect(stdout + stderr).not.toContain('AGE-SECRET-KEY');

    await writeFile(file, 'mine');
    const again = await cli(['keygen', 'age', '--out', file]);
    expect([again.code, await readFile(file, 'utf8')]).toEqual([2, 'mine']);
    expect(again.stderr).toContain('is not overwritten');
  });

  it('prints a signing key and secrets as lines of an env file, new ones each time', async () => {
    const [signing, secrets, more] = [
      await cli(['keygen', 'signing']),
      await cli(['keygen', 'secrets']),
      await cli(['keygen', 'secrets']),
    ];
    const env = parseEnvFile(Buffer.from(`${signing.stdout}\n${secrets.stdout}\n`));
    const config = loadConfig(env, ['keys', 'cron', 'admin', 'webhook']);
    const signer = ed25519Signer({ privateKey: config.keys.BACKUP_SIGNING_KEY ?? '', publicKey: null });
    expect(signer.verify(Buffer.from('x'), signer.sign(Buffer.from('x')) ?? '')).toBe(true);
    expect(config.cron.CRON_SECRET).not.toBe(config.admin.ADMIN_TOKEN);
    expect(more.stdout).not.toContain(config.cron.CRON_SECRET);
  });

  it('appends to an env file whose last line has no end', async () => {
    const file = join(folder, '.env');
    await writeFile(file, 'BACKUP_STORE=file:///backups');
    const handle = await open(file, 'a');
    const stdio = ['ignore', handle.fd, 'pipe'] as const;
    const program = join(ROOT, 'bin/soulcaster-backup.js');
    const { status, stderr } = spawnSync(program, ['keygen', 'signing'], { stdio: [...stdio], encoding: 'utf8' });
    await handle.close();
    expect({ status, stderr }).toMatchObject({ status: 0 });
    const env = parseEnvFile(await readFile(file));
    expect([env['BACKUP_STORE'], Object.keys(env)]).toEqual([
      'file:///backups',
      ['BACKUP_STORE', 'BACKUP_SIGNING_KEY'],
    ]);
  });

  it('refuses an unknown kind', async () => {
    expect((await cli(['keygen', 'rsa'])).code).toBe(2);
  });
});
