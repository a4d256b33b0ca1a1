import { chmod, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { execa } from 'execa';
import { generateSigningKey } from '../../lib/crypto/ed25519.js';
import { cli, cliJson, openStack, ROOT, type CliStack, type JsonDocument, type Variables } from './fixture.js';
import { redis, stateOf, taken, totalsOf } from './restore-fixture.js';

const BINARY = join(ROOT, 'bin/soulcaster-backup.js');
/** Root may write everywhere, unless it gives that right up. */
const AS_ANYBODY = process.getuid?.() === 0 ? ['setpriv', '--bounding-set', '-dac_override'] : ['env'];
/** No file may have any content: what a full disk answers, ENOSPC, is EFBIG here. */
const ON_A_FULL_DISK = ['prlimit', '--fsize=0'];

/** Left alone, the signal that comes with it ends a process at once. */
const GO_ON = 'data:text/javascript,process.on("SIGXFSZ", () => undefined)';

let stack: CliStack;
let before: Map<string, string>;
beforeAll(async () => {
  stack = await openStack();
  before = await stateOf(stack.urls.redis);
});
afterAll(() => stack.stop());

async function under(wrapper: readonly string[], args: readonly string[], env: Variables) {
  const [command = '', ...rest] = wrapper;
  const all = [...rest, process.execPath, '--import', GO_ON, BINARY, ...args, '--json'];
  // The standard error of a file size limit is a pipe, so it is not limited.
  const { exitCode, stderr, stdout } = await execa(command, all, {
    env: { PATH: process.env['PATH'] ?? '', ...env },
    extendEnv: false,
    reject: false,
  });
  return { code: exitCode ?? -1, stderr, json: JSON.parse(stdout) as JsonDocument };
}

async function setModes(folder: string, mode: number): Promise<void> {
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (entry.isDirectory()) await chmod(join(entry.parentPath, entry.name), mode);
  }
  await chmod(folder, mode);
}

async function filesIn(env: Variables): Promise<string[]> {
  return (await readdir(fileURLToPath(env['BACKUP_STORE'] ?? ''), { recursive: true })).sort();
}

const stores: [string, string, readonly string[]][] = [
  ['read-only', 'store-denied', AS_ANYBODY],
  ['full', 'store-full', ON_A_FULL_DISK],
];

describe.each(stores)('a %s store', (what, code, wrapper) => {
  let env: Variables;
  let id: string;
  let files: string[];
  beforeAll(async () => {
    env = await stack.alone();
    id = await taken(env);
    if (what === 'read-only') await setModes(fileURLToPath(env['BACKUP_STORE'] ?? ''), 0o555);
    files = await filesIn(env);
  });
  afterAll(() => setModes(fileURLToPath(env['BACKUP_STORE'] ?? ''), 0o755));

  it.each([['list'], ['show', 'latest'], ['status']])('%s writes nothing to the store', async (...args) => {
    const { stderr } = await under(wrapper, args, env);
    expect(stderr).not.toContain(code);
    expect(await filesIn(env)).toEqual(files);
  });

  it('verify reads a snapshot back, and says that the result is not recorded', async () => {
    const { code: exit, stderr, json } = await under(wrapper, ['verify', 'latest'], env);
    expect([exit, json['verified'], json['recorded']]).toEqual([0, true, false]);
    expect(stderr).toContain(code);
    expect(stderr).toContain('could not be recorded');
    expect(await filesIn(env)).toEqual(files);
  });

  it('a dry run and diff work', async () => {
    const dry = await under(wrapper, ['restore', '--dry-run'], env);
    expect([dry.code, totalsOf(dry.json).same > 0]).toEqual([0, true]);
    expect(dry.stderr).toContain('keeps its state in memory');
    expect((await under(wrapper, ['diff', 'latest', 'live'], env)).code).toBe(0);
  });

  it('backup and restore are refused; restore suggests --no-lock', async () => {
    const backup = await under(wrapper, ['backup'], env);
    expect([backup.code, backup.json.error?.code]).toEqual([1, code]);
    const { json } = await under(wrapper, ['restore', 'latest', '--yes'], env);
    expect(json.error).toMatchObject({ code, message: expect.stringContaining('Nothing was written') });
    expect(json.error?.hint).toContain(`npx soulcaster-backup restore ${id} --no-safety --no-lock`);
    if (what === 'full') expect(json.error?.hint).toContain('`npx soulcaster-backup prune`');
  });

  it('a restore without a lock restores everything, and writes nothing to the store', async () => {
    const alone = await under(wrapper, ['restore', 'latest', '--yes', '--no-lock'], env);
    expect([alone.code, alone.json.error?.code]).toEqual([2, 'usage']);
    await redis(stack.urls.redis, 'FLUSHALL');
    const args = ['restore', 'latest', '--yes', '--no-lock', '--no-safety', '--no-settle', '--no-reindex'];
    const { code: exit, stderr } = await under(wrapper, args, env);
    expect([exit, stderr]).toEqual([0, expect.stringContaining('another restore, a backup or a prune')]);
    expect(await stateOf(stack.urls.redis)).toEqual(before);
    expect(await filesIn(env)).toEqual(files);
  });
});

describe('with a public signing key alone', () => {
  it('reading works, and writing is refused with one error', async () => {
    const plain = await stack.alone();
    const keys = generateSigningKey();
    await taken({ ...plain, BACKUP_SIGNING_KEY: keys.privateKey });
    const env = { ...plain, BACKUP_SIGNING_KEY: '', BACKUP_SIGNING_PUBLIC_KEY: keys.publicKey };
    const files = await filesIn(env);
    expect((await cliJson(['list'], env)).json['snapshots']).toMatchObject([{ trust: 'trusted' }]);
    expect((await cliJson(['show', 'latest'], env)).code).toBe(0);
    expect((await cliJson(['verify', 'latest'], env)).json).toMatchObject({ verified: true, recorded: false });
    expect((await cli(['restore', '--dry-run'], env)).code).toBe(0);
    expect((await cli(['prune', '--dry-run'], env)).code).toBe(0);
    for (const args of [['backup'], ['restore', 'latest', '--yes'], ['prune']]) {
      const { code, json, stderr } = await cliJson(args, env);
      expect([args, code, json.error?.code]).toEqual([args, 2, 'config']);
      expect(json.error?.hint).toContain('BACKUP_SIGNING_KEY');
      expect(stderr.match(/public signing key/g)).toHaveLength(1);
    }
    expect(await filesIn(env)).toEqual(files);
  });
});
