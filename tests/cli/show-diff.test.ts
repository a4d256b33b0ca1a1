import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { cli, cliJson, openStack, type CliStack, type Variables } from './fixture.js';
import { anyProject, redis, rowOf, stateOf, taken, totalsOf } from './restore-fixture.js';

const SAME = 'is as the snapshot has it';

let stack: CliStack;
let env: Variables;
let url: string;
let project: string;
let snapshot: string;
beforeAll(async () => {
  stack = await openStack();
  env = await stack.alone();
  url = stack.urls.redis;
  project = await anyProject(url);
  snapshot = await taken(env);
});
afterAll(() => stack.stop());

describe('show --diff', () => {
  it('finds no difference where there is none', async () => {
    const { code, stdout } = await cli(['show', 'latest', '--diff'], env);
    const { host } = new URL(env['UPSTASH_REDIS_REST_URL'] ?? '');
    const sentence = `The database ${host} ${SAME}: nothing would change but work that was in flight.`;
    expect([code, stdout]).toEqual([0, expect.stringContaining(sentence)]);
    const dry = await cli(['restore', 'latest', '--dry-run'], env);
    const withoutCost = (text: string): string => text.replace(/^Looking took .*$/m, '');
    expect(withoutCost(dry.stdout)).toBe(withoutCost(stdout));
    expect(stdout).toMatch(/\d+ (clustering )?jobs? that (was|were) running becomes? failed/);
    const { json } = await cliJson(['show', snapshot, '--diff', '--project', project], env);
    expect(json).toMatchObject({ snapshot, scope: { project }, dryRun: true, state: 'succeeded', error: null });
    expect(totalsOf(json)).toMatchObject({ write: 0, overwrite: 0, keep: 0, expired: 0, remove: 0 });
  });

  it('shows what differs, in the database and in a project, and changes nothing', async () => {
    await redis(url, 'HSET', `project:${project}`, 'name', 'another');
    await redis(url, 'SET', 'stray:key', 'newer');
    const before = await stateOf(url);
    const all = await cli(['show', snapshot, '--diff'], env);
    expect(all.code).toBe(0);
    expect(rowOf(all.stdout, 'project')).toEqual(['-', '1', '-', '-', '-', '-', '-']);
    expect(rowOf(all.stdout, 'other')).toEqual(['-', '-', '-', '-', '-', '-', '1']);
    expect(all.stdout).not.toContain(SAME);
    const one = await cliJson(['show', snapshot, '--diff', '--project', project], env);
    expect([one.code, totalsOf(one.json)]).toMatchObject([0, { write: 0, overwrite: 1, remove: 0 }]);
    expect(await stateOf(url)).toEqual(before);
  });

  it('compares with the newest backup, not with what a restore saved', async () => {
    expect((await cli(['restore', '--yes', '--no-settle'], env)).code).toBe(0);
    const { json } = await cliJson(['show', 'latest', '--diff'], env);
    expect(json).toMatchObject({ snapshot, plan: { total: { overwrite: 0, remove: 0 } } });
  });

  it('ends with 10 for what there is not, and with 2 for a project without --diff', async () => {
    for (const args of [['20261122T020000Z-x7k2m9'], [snapshot, '--project', 'nobody']]) {
      const { code, json } = await cliJson(['show', '--diff', ...args], env);
      expect([code, json.error?.code]).toEqual([10, 'not-found']);
    }
    const { code, json } = await cliJson(['show', snapshot, '--project', project], env);
    expect([code, json.error?.code]).toEqual([2, 'usage']);
  });
});
