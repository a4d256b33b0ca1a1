import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import getPort from 'get-port';
import { storeApp } from '../../lib/app/app.js';
import { startFaultProxy, type FaultAction, type ProxiedRequest } from '../../dev/fault-proxy.js';
import { loadRun } from '../../lib/runs/records.js';
import { cli, cliJson, ended, openStack, spawnCli, until, type CliStack, type Variables } from './fixture.js';

let stack: CliStack;
beforeAll(async () => (stack = await openStack()));
afterAll(() => stack.stop());

/** A run of the program whose requests to Redis go through `rule`. */
async function throughProxy<T>(
  rule: (request: ProxiedRequest) => FaultAction | Promise<FaultAction>,
  use: (env: Variables, requests: readonly ProxiedRequest[]) => Promise<T>,
): Promise<T> {
  const proxy = await startFaultProxy({ target: stack.urls.redisRest, rule });
  try {
    return await use({ ...(await stack.alone()), UPSTASH_REDIS_REST_URL: proxy.url }, proxy.requests);
  } finally {
    await proxy.stop();
  }
}

it('projects: does not say that there are none where the database does not answer', async () => {
  const dead = { UPSTASH_REDIS_REST_URL: `http://127.0.0.1:${await getPort()}`, UPSTASH_VECTOR_REST_URL: '' };
  const { stdout } = await cli(['status', '--projects'], { ...(await stack.alone()), ...dead });
  expect(stdout).toContain('items are not known');
  expect(stdout).toContain('No project is known.');
});

describe('backup without access', () => {
  it('exits with 1 on a wrong token', async () => {
    const env = { ...(await stack.alone()), UPSTASH_REDIS_REST_TOKEN: 'not-the-right-token' };
    const { code, json, stderr } = await cliJson(['backup'], env);
    expect([code, json.error?.code]).toEqual([1, 'redis-denied']);
    expect(stderr).toMatch(/^error: .*\nhint: /m);
  });

  it('exits with 1 on a read-only token, and says that the token is read-only', async () => {
    const env = { ...(await stack.alone()), UPSTASH_REDIS_REST_TOKEN: stack.secrets.redisReadOnlyToken };
    const { code, json } = await cliJson(['backup'], env);
    expect([code, json.error?.code]).toEqual([1, 'redis-denied']);
    expect(json.error?.hint).toContain('read-only');
  });

  it('exits with 1 when the database is unreachable, and releases the lease', async () => {
    const env = { ...(await stack.alone()), UPSTASH_REDIS_REST_URL: `http://127.0.0.1:${await getPort()}` };
    const { code, json } = await cliJson(['backup'], env);
    expect([code, json.error?.code]).toEqual([1, 'redis-unavailable']);
    expect((await cli(['backup'], { ...env, UPSTASH_REDIS_REST_URL: stack.urls.redisRest })).code).toBe(0);
  });

  it('does not keep the lease when the queue refuses the token', async () => {
    const env = { ...(await stack.alone()), QSTASH_TOKEN: 'not-the-right-token' };
    const refused = await cliJson(['backup'], env);
    expect([refused.code, refused.json.error?.code]).toEqual([1, 'queue-denied']);
    expect((await cli(['backup', '--local'], env)).code).toBe(0);
  });
});

describe('an interrupted backup', () => {
  /** Holds back everything from the third request on, which is in the middle of the scan. */
  const holding = ({ index }: ProxiedRequest): FaultAction => (index < 2 ? 'pass' : { delayMs: 1_500 });

  it.each(['SIGINT', 'SIGTERM'] as const)('exits with 130 on %s, and ends its run', async (signal) => {
    await throughProxy(holding, async (env, requests) => {
      const child = spawnCli(['backup', '--json'], env);
      await until(child, () => requests.length > 2);
      child.kill(signal);
      const { code, stdout, stderr } = await ended(child, env);
      expect([code, JSON.parse(stdout)]).toMatchObject([130, { state: 'failed', error: { code: 'interrupted' } }]);
      expect(stderr).toContain('Stopping');
      const { run } = JSON.parse(stdout) as { run: string };
      const { record } = await loadRun(storeApp(env).ports.store, run);
      expect(record).toMatchObject({ state: 'failed', error: { code: 'interrupted' } });
      const again = await cli(['backup'], { ...env, UPSTASH_REDIS_REST_URL: stack.urls.redisRest });
      expect(again.code).toBe(0);
    });
  });

  it('exits immediately on a second signal', async () => {
    const never = ({ index }: ProxiedRequest): FaultAction => (index < 2 ? 'pass' : { delayMs: 600_000 });
    await throughProxy(never, async (env, requests) => {
      const child = spawnCli(['backup'], env);
      let told = '';
      child.stderr.on('data', (chunk: Buffer) => (told += chunk.toString()));
      await until(child, () => requests.length > 2);
      child.kill('SIGINT');
      await until(child, () => told.includes('Stopping'));
      child.kill('SIGINT');
      expect((await ended(child, env)).code).toBe(130);
    });
  });

  it('over the queue is no longer followed, and continues', async () => {
    const env = { ...(await stack.alone()), QSTASH_TOKEN: stack.secrets.queueToken };
    // The functions have another store: there nobody knows the run, and nobody ends it.
    const child = spawnCli(['backup', '--json'], env);
    let told = '';
    child.stderr.on('data', (chunk: Buffer) => (told += chunk.toString()));
    await until(child, () => told.includes('reading the database'));
    child.kill('SIGINT');
    const { code, stdout } = await ended(child, env);
    const id = /run (\S+):/.exec(told)?.[1] ?? '';
    const hint = expect.stringContaining(`npx soulcaster-backup cancel ${id}`) as unknown;
    expect([code, JSON.parse(stdout)]).toMatchObject([130, { error: { code: 'interrupted', hint } }]);
    expect((await loadRun(storeApp(env).ports.store, id)).record.state).toBe('running');
  });
});

describe('keys that cannot be saved', () => {
  type Commands = readonly (readonly string[])[];
  type Answers = { result?: unknown; error?: string }[];

  /** Passes requests on and lets `change` alter the answers. */
  const changing =
    (change: (commands: Commands, answers: Answers) => Answers) =>
    async ({ path, headers, body }: ProxiedRequest): Promise<FaultAction> => {
      const response = await fetch(stack.urls.redisRest + path, {
        method: 'POST',
        headers: { authorization: headers.authorization ?? '', 'upstash-encoding': 'base64' },
        body,
      });
      const answers = change(JSON.parse(body.toString()) as Commands, (await response.json()) as Answers);
      return {
        status: response.status,
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(answers),
      };
    };
  const base64 = (text: string): string => Buffer.from(text).toString('base64');

  it('make the snapshot incomplete, with exit 3 and their names, when their type is unsupported and not skipped', async () => {
    const unknown = changing(
      (_, answers) =>
        JSON.parse(JSON.stringify(answers).replaceAll(`"${base64('zset')}"`, `"${base64('vectorset')}"`)) as Answers,
    );
    await throughProxy(unknown, async (env) => {
      const { code, stderr, json } = await cliJson(['backup'], env);
      expect([code, json]).toMatchObject([3, { state: 'incomplete', result: { unsupported: expect.any(Number) } }]);
      expect(stderr).toMatch(/^warning: .*\(unsupported\):$/m);
      expect(stderr).toMatch(/^ {2}feedback:\S+: .*vectorset/m);
      expect(stderr).toContain('BACKUP_SKIP_TYPES=vectorset');

      const accepted = await cliJson(['backup'], { ...env, BACKUP_SKIP_TYPES: 'vectorset' });
      expect([accepted.code, accepted.json]).toMatchObject([0, { state: 'succeeded' }]);
      expect(accepted.stderr).toMatch(/^warning: .*\(unsupported\):$/m);
    });
  });

  it('make the snapshot incomplete, exit 3, when Redis refuses them', async () => {
    const broken = changing((commands, answers) =>
      answers.map((answer, at) => (commands[at]?.[0] === 'SMEMBERS' ? { error: 'ERR internal' } : answer)),
    );
    await throughProxy(broken, async (env) => {
      const { code, stderr, json } = await cliJson(['backup'], env);
      expect([code, json.error?.code, json['state']]).toEqual([3, 'incomplete', 'incomplete']);
      expect(stderr).toMatch(/^warning: .*\(failed\):$/m);
      const listed = await cliJson(['list'], env);
      expect(listed.json).toMatchObject({ snapshots: [{ state: 'incomplete', verified: false }] });
    });
  });
});
