import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { generateX25519Identity, identityToRecipient } from 'age-encryption';
import { cli, cliJson, openStack, type CliStack, type Variables } from './fixture.js';
import { anyProject, redis, stateOf, taken } from './restore-fixture.js';

let stack: CliStack;
let env: Variables;
let snapshot: string;
let whole: Map<string, string>;
beforeAll(async () => {
  stack = await openStack();
  env = await stack.alone();
  snapshot = await taken(env);
  await redis(stack.urls.redis, 'SET', 'stray:key', 'newer');
  whole = await stateOf(stack.urls.redis);
});
afterAll(() => stack.stop());

describe('a restore that is refused', () => {
  const unknown = '20261122T020000Z-x7k2m9';
  it.each([
    ['an unknown project', ['latest', '--project', 'nobody', '--yes'], 10, 'not-found'],
    ['an unknown snapshot', [unknown, '--yes'], 10, 'not-found'],
    ['a file that nobody says is meant for this database', ['../no/such/file', '--yes'], 2, 'not-confirmed'],
    ['a file that is not there', ['../no/such/file', '--yes', '--from-source'], 10, 'not-found'],
    ['a time before all snapshots', ['--at', '2001-01-01T00:00Z', '--yes'], 10, 'not-found'],
    ['no --yes and no terminal', ['latest'], 2, 'usage'],
    ['a mode that there is none of', ['--mode', 'overwrite', '--yes'], 2, 'usage'],
    ['a rule of expiry that there is none of', ['--ttl', 'double', '--yes'], 2, 'usage'],
    ['a time without its offset', ['--at', '2026-11-22T02:00:00', '--yes'], 2, 'usage'],
    ['a time that is none', ['--at', '2026-99-99T99:99:99Z', '--yes'], 2, 'usage'],
    ['a snapshot and a time', [unknown, '--at', '2026-11-22T02:00:00Z', '--yes'], 2, 'usage'],
    ['an empty project', ['--project', '', '--yes'], 2, 'usage'],
    ['a target that is not set', ['--target', 'elsewhere', '--yes'], 2, 'usage'],
    ['a day that no calendar has', ['--at', '2026-02-30T00:00:00Z', '--yes'], 2, 'usage'],
    ['a database of a file', ['latest', '--database', '3', '--yes'], 2, 'usage'],
    ['the time of a file', ['--taken-at', '2026-11-22T02:00:00Z', '--yes'], 2, 'usage'],
    ['a unit of a file', ['latest', '--ttl-unit', 'seconds', '--dry-run'], 2, 'usage'],
    ['a key that is too long', ['--key', 'k'.repeat(65_537), '--yes'], 2, 'usage'],
    ['an item with too long an id', ['--item', `p/${'i'.repeat(513)}`, '--dry-run'], 2, 'usage'],
    ['too many items', Array.from({ length: 1_001 }, (_, at) => ['--item', `p/${at}`]).flat(), 2, 'usage'],
    ['an incomplete one for a replacement', ['--allow-incomplete', '--yes'], 2, 'usage'],
  ])('for %s ends with its code, and nothing is changed', async (_, args, exit, code) => {
    const runs = join(fileURLToPath(env['BACKUP_STORE'] ?? ''), 'runs');
    const before = await readdir(runs);
    const { code: exited, stderr, json } = await cliJson(['restore', ...args], env);
    expect([exited, json.error?.code]).toEqual([exit, code]);
    expect(stderr).toMatch(/^error: .+\nhint: .+/m);
    expect(await readdir(runs)).toEqual(before);
    expect(await stateOf(stack.urls.redis)).toEqual(whole);
  });

  it('without a terminal says what to do', async () => {
    const { stderr } = await cli(['restore', snapshot], env);
    expect(stderr).toContain('--dry-run');
    expect(stderr).toContain('--yes');
  });

  it('names the targets that are set', async () => {
    const url = {
      RESTORE_TARGET_SCRATCH_REST_URL: stack.urls.redisRest,
      RESTORE_TARGET_SCRATCH_REST_TOKEN: 'whatever',
    };
    const { code, json } = await cliJson(['restore', '--target', 'elsewhere', '--dry-run'], { ...env, ...url });
    expect([code, json.error?.hint]).toEqual([2, expect.stringContaining('scratch')]);
  });
});

describe('an encrypted snapshot', () => {
  it('takes its identity to be restored, and names keys with it', async () => {
    const [identity, another] = [await generateX25519Identity(), await generateX25519Identity()];
    const keys = { BACKUP_AGE_RECIPIENTS: await identityToRecipient(identity) };
    const sealed = { ...(await stack.alone()), ...keys };
    await taken(sealed);
    await redis(stack.urls.redis, 'SET', 'secret:name', 'newer');
    for (const wrong of [{}, { BACKUP_AGE_IDENTITY: another }]) {
      const { code, json } = await cliJson(['restore', '--yes'], { ...sealed, ...wrong });
      expect([code, json.error?.code]).toEqual([12, 'wrong-key']);
    }
    const opened = { ...sealed, BACKUP_AGE_IDENTITY: identity };
    const { stdout } = await cli(['restore', '--dry-run'], opened);
    expect(stdout).toContain('Keys to remove:\n  secret:name');
    const { json } = await cliJson(['restore', '--dry-run'], opened);
    expect(json).toMatchObject({
      plan: { examples: expect.arrayContaining([{ action: 'remove', key: 'secret:name' }]) },
    });
    const project = await anyProject(stack.urls.redis);
    expect((await cli(['restore', '--project', project, '--yes'], opened)).code).toBe(0);
    await redis(stack.urls.redis, 'DEL', 'secret:name');
  });
});
