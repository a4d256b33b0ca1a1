import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { fullApp } from '../../lib/app/app.js';
import { startFaultProxy, type FaultAction, type ProxiedRequest } from '../../dev/fault-proxy.js';
import { startSnapshot } from '../../lib/snapshot/run.js';
import { cliJson, ended, openStack, spawnCli, until, type CliStack, type Variables } from './fixture.js';
import { anyProject, removeProject, stateOf, taken } from './restore-fixture.js';

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

/** The proxy's address makes the database another source. */
const PROXIED = ['--from-source'];
const DENIED = { status: 401, body: '{"error":"Unauthorized"}' } as const;
const writes = ({ body }: ProxiedRequest): boolean => body.includes('HSET');

/** A run of the program whose requests to Redis go through `rule`. */
async function through<T>(
  rule: (request: ProxiedRequest) => FaultAction,
  use: (env: Variables) => Promise<T>,
): Promise<T> {
  const proxy = await startFaultProxy({ target: stack.urls.redisRest, rule });
  try {
    return await use({ ...env, UPSTASH_REDIS_REST_URL: proxy.url });
  } finally {
    await proxy.stop();
  }
}

describe('an interrupted restore', () => {
  it('says that nothing was written, if it had not started to write', async () => {
    const rule = ({ index }: ProxiedRequest): FaultAction => (index === 0 ? 'pass' : DENIED);
    const { code, json } = await through(rule, (broken) => cliJson(['restore', snapshot, '--yes', ...PROXIED], broken));
    expect([code, json.error?.code]).toEqual([1, 'redis-denied']);
    expect(json.error?.hint).toContain('Nothing was written.');
    expect(json).not.toHaveProperty('undo');
  });

  it('says how to finish and how to undo it, if it was writing, and both work', async () => {
    const whole = await stateOf(url);
    await removeProject(url, project);
    const before = await stateOf(url);
    const rule = (request: ProxiedRequest): FaultAction => (writes(request) ? DENIED : 'pass');
    const { code, json, stderr } = await through(rule, (broken) =>
      cliJson(['restore', snapshot, '--yes', '--no-settle', ...PROXIED], broken),
    );
    expect([code, json['state'], json.error?.code]).toEqual([1, 'failed', 'redis-denied']);
    const undo = String(json['undo']);
    expect(undo).toBe(json['runId']);
    expect(stderr).toContain('was interrupted while writing');
    for (const id of [undo, snapshot]) expect(json.error?.hint).toContain(`soulcaster-backup restore ${id}`);
    expect(await cliJson(['restore', undo, '--yes', ...PROXIED], env)).toMatchObject({ code: 0 });
    expect(await stateOf(url)).toEqual(before);
    expect((await cliJson(['restore', snapshot, '--yes', '--no-settle'], env)).code).toBe(0);
    expect(await stateOf(url)).toEqual(whole);
  });

  it('exits with 130 on a signal while it writes, with the same hints', async () => {
    await removeProject(url, project);
    let writing = false;
    const rule = (request: ProxiedRequest): FaultAction => {
      writing ||= writes(request);
      return writes(request) ? { delayMs: 1_500 } : 'pass';
    };
    await through(rule, async (slow) => {
      const child = spawnCli(['restore', snapshot, '--project', project, '--yes', '--json', ...PROXIED], slow);
      await until(child, () => writing);
      child.kill('SIGINT');
      const { code, stdout } = await ended(child, slow);
      const json = JSON.parse(stdout) as { undo: string; error: { code: string; hint: string } };
      expect([code, json.error.code]).toEqual([130, 'interrupted']);
      expect(json.error.hint).toContain(`restore ${snapshot} --project ${project}`);
      expect(json.error.hint).toContain(`restore ${json.undo}`);
      expect(json.error.hint).not.toContain('incomplete work is not used');
    });
    expect((await cliJson(['restore', '--project', project, '--yes'], env)).code).toBe(0);
  });
});

describe('a restore beside another run', () => {
  it('exits with 11 and names the run in progress; a dry run still works', async () => {
    const other = await startSnapshot(fullApp(env).engine, 'cron');
    const { code, json } = await cliJson(['restore', '--yes'], env);
    expect([code, json.error?.code]).toEqual([11, 'locked']);
    const holder = other.started ? other.run.id : 'no run';
    expect(json.error?.message).toContain(`${holder}, a backup (scan)`);
    expect((await cliJson(['restore', '--dry-run'], env)).code).toBe(0);
  });
});
