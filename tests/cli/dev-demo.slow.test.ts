import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseEnv } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { cli, cliJson, cliProcess, ended, spawnCli, until } from './fixture.js';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cli-dev-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

async function answers(url: string): Promise<boolean> {
  return fetch(url).then(
    () => true,
    () => false,
  );
}

/** Starts `dev` in the folder and waits until it says that it runs. */
async function startDev(args: readonly string[]) {
  const child = spawnCli(['dev', '--json', ...args], {}, folder);
  let out = '';
  child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
  await until(child, () => out.endsWith('}\n'));
  const { urls } = JSON.parse(out) as { urls: Record<string, string | null> };
  const env = parseEnv(await readFile(join(folder, '.local/env'), 'utf8')) as Record<string, string>;
  return { child, urls, env };
}

describe('dev', () => {
  it('runs a whole stack until it is stopped, and keeps its data and secrets', async () => {
    const first = await startDev(['--projects', '1', '--items', '20']);
    expect((await stat(join(folder, '.local/env'))).mode & 0o777).toBe(0o600);
    const envFile = ['--env-file', join(folder, '.local/env')];
    const taken = await cliJson([...envFile, 'backup'], {});
    expect([taken.code, taken.json]).toMatchObject([0, { state: 'succeeded' }]);
    const cron = await fetch(`${first.env['PUBLIC_URL'] ?? ''}/api/cron/backup`, {
      headers: { authorization: `Bearer ${first.env['CRON_SECRET'] ?? ''}` },
    });
    expect(cron.status).toBe(200);

    const second = await cliProcess(['dev'], {}, folder);
    expect([second.code, second.stderr]).toEqual([11, expect.stringContaining('Another stack is running')]);

    first.child.kill('SIGINT');
    expect((await ended(first.child, first.env)).code).toBe(0);
    expect(
      await Promise.all([first.urls['functions'], first.urls['redisRest']].map((url) => answers(url ?? ''))),
    ).toEqual([false, false]);

    const again = await startDev(['--projects', '3']);
    expect(again.env['ADMIN_TOKEN']).toBe(first.env['ADMIN_TOKEN']);
    const listed = await cliJson([...envFile, 'list'], {});
    expect(listed.json['snapshots']).toHaveLength(2);
    expect((await cli([...envFile, 'verify'], {})).code).toBe(0);
    again.child.kill('SIGTERM');
    const over = await ended(again.child, again.env);
    expect([over.code, over.stderr]).toEqual([0, expect.stringContaining('already has data')]);
  });

  it('names the port that is in use', async () => {
    const { child, urls, env } = await startDev([]);
    const { port } = new URL(urls['functions'] ?? '');
    const elsewhere = await mkdtemp(join(tmpdir(), 'cli-dev-'));
    const { code, stderr } = await cliProcess(['dev', '--port', port], {}, elsewhere);
    expect([code, stderr]).toEqual([2, expect.stringContaining('port')]);
    child.kill('SIGINT');
    await ended(child, env);
    await rm(elsewhere, { recursive: true, force: true });
  });
});

describe('demo', () => {
  it('shows a nightly backup, disasters and recovery, and leaves nothing behind', async () => {
    const env = { TMPDIR: folder };
    const { code, stdout } = await cliProcess(['demo'], env);
    expect(code).toBe(0);
    expect(stdout).toContain('Restoring this one item');
    expect(stdout).toMatch(/and the database hold the same \(project \S+\): [\d,]+ keys/);
    for (const word of [
      'is whole',
      'TYPE',
      'FAMILY',
      'parts',
      'compression',
      'commands a key',
      'price',
      'keys equal',
      'undo',
      'the data of the snapshot',
      'found themselves',
      'drill     passed',
      'recovery point',
      'measured:',
      'strays added',
      'Charged twice',
      'My eyes hurt at night',
      '2FA code always wrong',
      'Try next',
    ])
      expect(stdout).toContain(word);
    expect(await readdir(folder)).toEqual([]);
  });

  it('is stopped by SIGINT with exit code 130, and leaves nothing behind', async () => {
    const env = { TMPDIR: folder };
    const child = spawnCli(['demo'], env);
    let out = '';
    child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
    await until(child, () => out.includes('1. '));
    child.kill('SIGINT');
    expect((await ended(child, env)).code).toBe(130);
    expect(await readdir(folder)).toEqual([]);
  });
});
