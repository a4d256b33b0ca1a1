import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { cli, cliJson, openStack, type CliStack, type Variables } from './fixture.js';
import { redis, taken } from './restore-fixture.js';

interface Plan {
  readonly projects: readonly string[];
  readonly others: readonly { readonly project: string; readonly why: string }[];
  readonly holders: readonly { readonly id: string; readonly keys: number; readonly goesAt: string | null }[];
  readonly entry: { readonly reason: string } | null;
}

let stack: CliStack;
let env: Variables;
let url: string;
let folder: string;
let project: string;
let user: string;
let first: string;
beforeAll(async () => {
  stack = await openStack();
  url = stack.urls.redis;
  env = await stack.alone();
  folder = await mkdtemp(join(tmpdir(), 'cli-erasure-'));
  const [key = ''] = (await redis(url, 'KEYS', 'project:*')) as string[];
  project = key.slice('project:'.length);
  user = String(await redis(url, 'HGET', key, 'user_id'));
  await redis(url, 'HSET', `user:${user}`, 'email', 'someone@example.com');
  // Not the user's alone: one is another user's, one is in another user's list, one has no record.
  await redis(url, 'HSET', 'project:theirs', 'user_id', 'somebody');
  await redis(url, 'HSET', 'project:both', 'user_id', user);
  await redis(url, 'SADD', 'user:projects:somebody', 'theirs', 'both');
  await redis(url, 'SADD', `user:projects:${user}`, 'theirs', 'both', 'unrecorded');
  await redis(url, 'SET', 'config:sentry:theirs:environments', '[]');
  // So that what is left is more than half, and the next snapshot no doubtful one.
  await redis(
    url,
    'MSET',
    ...(Array.from({ length: 400 }, (_, n) => `other:${n}`).flatMap((key) => [key, '1']) as [string]),
  );
  first = await taken(env);
});
afterAll(async () => {
  await stack.stop();
  await rm(folder, { recursive: true, force: true });
});

const plan = async (...args: string[]) => {
  const { code, json } = await cliJson(args, env);
  return { code, ...(json as unknown as Plan) };
};
const size = async () => Number(await redis(url, 'DBSIZE'));

it('shows which snapshots hold data of a user and until when, and projects shared with others; changes nothing', async () => {
  const keys = await size();
  const shown = await plan('forget-user', user, '--dry-run');
  expect(shown).toMatchObject({
    code: 0,
    projects: [project],
    others: [
      { project: 'both', why: 'in-another-list' },
      { project: 'theirs', why: 'another-owner' },
      { project: 'unrecorded', why: 'no-record' },
    ],
    entry: null,
  });
  expect(shown.holders.map(({ id }) => id)).toEqual([first]);
  expect(shown.holders[0]?.keys).toBeGreaterThan(120);
  expect(Date.parse(shown.holders[0]?.goesAt ?? '')).toBeGreaterThan(Date.now());
  const { stdout } = await cli(['forget-user', user, '--dry-run'], env);
  expect(stdout).toContain(`1 of 1 snapshot still holds these data`);
  expect(stdout).toContain('Nothing was changed');
  for (const id of ['unheard-of', '__proto__', 'constructor', 'toString'])
    expect([id, await plan('forget-project', id, '--dry-run')]).toMatchObject([id, { code: 0, holders: [] }]);
  expect((await cliJson(['erasures', 'list'], env)).json).toMatchObject({ erasures: [] });
  expect((await cli(['forget-user', user], env)).code).toBe(2);
  expect((await cli(['forget-user', ' ', '--dry-run'], env)).code).toBe(2);
  expect((await cli(['forget-user', user, '--replica', '--reason', 'r'], env)).code).toBe(2);
  expect(await size()).toBe(keys);
});

it('is applied by restores of a snapshot and of a file, until it is withdrawn', async () => {
  const file = join(folder, 'dump.jsonl.gz');
  expect((await cli(['export', 'latest', file], env)).code).toBe(0);
  expect(await plan('forget-user', user, '--reason', 'ticket 118')).toMatchObject({
    code: 0,
    entry: { reason: 'ticket 118' },
  });
  expect((await cli(['erasures', 'list'], env)).stdout).toMatch(
    new RegExp(`user +${user} +1 project .*ticket 118 +left out`),
  );

  for (const source of [['latest'], [file, '--from-source']]) {
    await redis(url, 'FLUSHALL');
    const dry = await cli(['restore', ...source, '--dry-run'], env);
    expect(dry.stdout).toMatch(/Left out, since their user or project is on the erasure list: \d+ keys/);
    const restored = await cliJson(['restore', ...source, '--yes', '--no-reindex'], env);
    expect(restored.json).toMatchObject({ state: 'succeeded', error: null });
    expect(await redis(url, 'KEYS', `*${project}*`)).toEqual([]);
    expect(await redis(url, 'EXISTS', `user:${user}`, `user:projects:${user}`)).toBe(0);
    expect(await redis(url, 'EXISTS', 'project:theirs', 'project:both', 'user:projects:somebody')).toBe(3);
  }
  const named = await cliJson(['restore', 'latest', '--project', project, '--yes'], env);
  expect(named).toMatchObject({ code: 3, json: { error: { code: 'not-restorable' } } });

  // What is gone from the database is in the first snapshot alone.
  const second = await taken(env);
  expect((await plan('forget-project', project, '--dry-run')).holders.map(({ id }) => id)).toEqual([first]);
  expect(second).not.toBe(first);

  expect((await cli(['erasures', 'withdraw', 'user', 'nobody', '--reason', 'r'], env)).code).toBe(10);
  expect((await cli(['erasures', 'withdraw', 'user', user, '--reason', 'the wrong person'], env)).code).toBe(0);
  expect((await cli(['erasures', 'list'], env)).stdout).toContain('the wrong person');
  const back = await cliJson(['restore', first, '--project', project, '--yes', '--no-reindex'], env);
  expect(back.json).toMatchObject({ state: 'succeeded' });
  expect(await redis(url, 'EXISTS', `project:${project}`)).toBe(1);
});
