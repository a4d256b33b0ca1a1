import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { cli, cliJson, openStack, type CliStack, type Variables } from './fixture.js';
import { anyProject, redis, removeProject, rowOf, stateOf, taken, totalsOf } from './restore-fixture.js';

/** Each test begins with this database and one snapshot of it. */
let stack: CliStack;
let first: Variables;
let env: Variables;
let project: string;
let url: string;
let snapshot: string;
beforeAll(async () => {
  stack = await openStack();
  url = stack.urls.redis;
  project = await anyProject(url);
  first = await stack.alone();
  snapshot = await taken(first);
});
beforeEach(async () => {
  env = await stack.alone(first);
});
afterAll(() => stack.stop());

describe('restore --dry-run', () => {
  it('shows the plan by family and changes nothing', async () => {
    const items = [...(await stateOf(url)).keys()].filter((key) => key.startsWith(`feedback:${project}:`));
    const [gone = '', changed = ''] = items;
    await redis(url, 'DEL', gone);
    await redis(url, 'HSET', changed, 'title', 'another');
    await redis(url, 'SET', 'stray:key', 'x');
    const before = await stateOf(url);
    const { code, stdout } = await cli(['restore', '--dry-run', '--no-settle'], env);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^FAMILY +WRITE +OVERWRITE +SAME +KEEP +EXPIRED +REMOVE$/m);
    expect(rowOf(stdout, 'feedback')).toEqual(['1', '1', String(items.length - 2), '-', '-', '-']);
    expect(rowOf(stdout, 'other')).toEqual(['-', '-', '-', '-', '-', '1']);
    expect(rowOf(stdout, 'total')).toEqual(['1', '1', String(before.size - 2), '-', '-', '1']);
    expect(stdout).toContain('Keys to remove:\n  stray:key');
    expect(stdout).toContain(`Keys to overwrite:\n  ${changed.slice(0, 80)}`);
    expect(await stateOf(url)).toEqual(before);
    await redis(url, 'DEL', 'stray:key');
    expect((await cli(['restore', '--no-settle', '--yes'], env)).code).toBe(0);
  });

  it('leaves other projects out and follows the mode', async () => {
    await redis(url, 'SET', `config:datadog:${project}:newer`, 'x');
    await redis(url, 'SET', 'stray:key', 'x');
    const plan = async (...args: string[]) => totalsOf((await cliJson(['restore', '--dry-run', ...args], env)).json);
    expect(await plan()).toMatchObject({ remove: 2 });
    expect(await plan('--project', project)).toMatchObject({ remove: 1 });
    expect(await plan('--mode', 'merge')).toMatchObject({ remove: 0 });
    await redis(url, 'HSET', `project:${project}`, 'name', 'another');
    expect(await plan('--mode', 'missing', '--no-settle')).toMatchObject({ overwrite: 0, keep: 1, remove: 0 });
    expect((await cli(['restore', '--yes', '--no-settle'], env)).code).toBe(0);
  });
});

describe('restore --yes', () => {
  it('restores a deleted project and leaves everything else unchanged', async () => {
    const whole = await stateOf(url);
    const removed = await removeProject(url, project);
    await redis(url, 'SET', 'stray:key', 'newer');
    const { code, stdout, stderr } = await cli(['restore', '--project', project, '--yes', '--no-settle'], env);
    expect(code).toBe(0);
    const restored = await stateOf(url);
    expect(restored.delete('stray:key')).toBe(true);
    expect(restored).toEqual(whole);
    const host = new URL(env['UPSTASH_REDIS_REST_URL'] ?? '').host;
    expect(stdout).toContain(
      `Restored snapshot ${snapshot} (project ${project}, mode replace) into the database ${host}.`,
    );
    expect(stdout).toMatch(new RegExp(`written +${removed} keys`));
    expect(stdout).toMatch(/proof +\d+ keys equal, 0 missing, 0 different/);
    expect(rowOf(stdout, project).slice(0, 3)).toEqual(['60', expect.stringMatching(/^\d+$/), 'yes']);
    for (const word of ['undo', 'commands', '$', 'objective of 4 h', 'Time by phase', 'Next: re-index the vectors'])
      expect(stdout).toContain(word);
    expect(stderr).toContain('running in this process');
    await redis(url, 'DEL', 'stray:key');
  });

  it('makes everything equal to the snapshot, and the undo restores the previous state', async () => {
    const whole = await stateOf(url);
    await removeProject(url, project);
    await redis(url, 'SET', 'stray:key', 'newer');
    const before = await stateOf(url);
    const { code, json } = await cliJson(['restore', snapshot, '--yes', '--no-settle'], env);
    expect([code, json['state'], json.error, json['snapshot']]).toEqual([0, 'succeeded', null, snapshot]);
    expect(await stateOf(url)).toEqual(whole);

    const undo = String(json['undo']);
    const list = await cliJson(['list'], env);
    expect(list.json['snapshots']).toMatchObject([
      { id: undo, purpose: 'safety', trust: 'safety' },
      { id: snapshot, purpose: 'backup', verified: true },
    ]);
    expect((await cli(['list'], env)).stdout).toMatch(new RegExp(`^${undo} .* complete, safety +yes `, 'm'));
    expect((await cli(['show', undo], env)).stdout).toMatch(/purpose +taken by a restore/);
    expect((await cli(['restore', undo, '--yes'], env)).code).toBe(0);
    expect(await stateOf(url)).toEqual(before);
    expect((await cli(['restore', snapshot, '--yes', '--no-settle'], env)).code).toBe(0);
  });

  it('prints an undo command for one project that restores only that project', async () => {
    await redis(url, 'HSET', `project:${project}`, 'name', 'before');
    const { stdout } = await cli(['restore', '--project', project, '--yes'], env);
    const undo = /^ +undo +npx soulcaster-backup (restore \S+ --project \S+)$/m.exec(stdout)?.[1] ?? '';
    await redis(url, 'SET', 'stray:key', 'newer');
    expect((await cli([...undo.split(' '), '--yes'], env)).code).toBe(0);
    expect(await redis(url, 'HGET', `project:${project}`, 'name')).toBe('before');
    expect(await redis(url, 'GET', 'stray:key')).toBe('newer');
    expect((await cli(['restore', '--yes', '--no-settle'], env)).code).toBe(0);
  });

  it('prints the undo when the target was empty', async () => {
    const { stdout } = await cli(['restore', '--project', project, '--yes', '--no-safety'], env);
    expect(stdout).toMatch(/undo +not possible: the previous state was not saved \(--no-safety\)/);
    await redis(url, 'FLUSHALL');
    const { json } = await cliJson(['restore', '--yes', '--no-settle'], env);
    expect(json).toMatchObject({ state: 'succeeded', targetEmpty: true });
    expect((await cli(['restore', String(json['undo']), '--yes'], env)).code).toBe(0);
    expect(await redis(url, 'DBSIZE')).toBe(0);
    expect((await cli(['restore', snapshot, '--yes', '--no-settle'], env)).code).toBe(0);
  });

  it('restores the snapshot of a given time', async () => {
    const { json } = await cliJson(['show', snapshot], env);
    const { window } = json['manifest'] as { window: { to: string } };
    const newer = await taken(env);
    const chosen = async (...args: string[]) =>
      (await cliJson(['restore', '--dry-run', ...args], env)).json['snapshot'];
    expect(await chosen('--at', window.to)).toBe(snapshot);
    expect(await chosen()).toBe(newer);
  });

  it('runs over the queue if there is one', async () => {
    await taken(stack.env);
    const whole = await stateOf(url);
    await removeProject(url, project);
    const args = ['restore', '--project', project, '--yes', '--no-settle'];
    const { code, stderr, json } = await cliJson(args, stack.env);
    expect([code, json['state'], json.error]).toEqual([0, 'succeeded', null]);
    expect(stderr).toContain('handed over to the queue');
    expect(await stateOf(url)).toEqual(whole);
  });
});
