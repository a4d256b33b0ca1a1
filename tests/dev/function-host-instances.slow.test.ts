import { afterEach, describe, expect, it } from '@jest/globals';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as pause } from 'node:timers/promises';
import { closeHosts, fixtures, gone, json, open } from './fixtures/hosts.js';

afterEach(closeHosts);

/** The process of the instance that answers; on a busy machine an instance may be out of time before it does. */
async function answeringPid(url: string): Promise<number> {
  for (;;) {
    const response = await fetch(`${url}/api/env`);
    if (response.status === 200) return (await json(response)).pid as number;
    await response.arrayBuffer();
  }
}

describe('a function in the function host', () => {
  it('sees the given environment and nothing else of ours', async () => {
    process.env.FUNCTION_HOST_TEST_SECRET = 'not for functions';
    const { env } = await json(await fetch(`${(await open({ env: { ONLY: 'this' } })).url}/api/env`));
    Reflect.deleteProperty(process.env, 'FUNCTION_HOST_TEST_SECRET');
    expect(env).toEqual({ PATH: expect.any(String), HOME: expect.any(String), TZ: 'UTC', ONLY: 'this' });
  });

  it('runs in an instance that is used again', async () => {
    const host = await open();
    const one = await json(await fetch(`${host.url}/api/env`));
    const two = await json(await fetch(`${host.url}/api/env`));
    expect(two).toMatchObject({ pid: one.pid, calls: 2 });
    expect(one.pid).not.toBe(host.pid);
  });

  it('runs beside others, up to the most instances', async () => {
    const host = await open({ maxInstances: 2, limitSeconds: 600 });
    const calls = Array.from({ length: 5 }, () => fetch(`${host.url}/api/slow?ticks=20`).then(json));
    expect(new Set((await Promise.all(calls)).map(({ pid }) => pid)).size).toBe(2);
  });

  it('logs with its name in front', async () => {
    const lines: string[] = [];
    const host = await open({ onLog: (line) => void lines.push(line) });
    await fetch(`${host.url}/api/echo`);
    while (!lines.includes('[api/echo] echo was called')) await pause(5);
    expect((await fetch(`${host.url}/api/broken`)).status).toBe(500);
    while (!lines.some((line) => line.startsWith('[api/broken] Error: broken on purpose'))) await pause(5);
  });

  it('that throws, ends its process or cannot be loaded gets a 500', async () => {
    const host = await open();
    const answers = [
      await fetch(`${host.url}/api/broken`),
      await fetch(`${host.url}/api/broken`, { method: 'POST' }),
      await fetch(`${host.url}/api/unloadable`),
    ];
    expect(answers.map(({ status }) => status)).toEqual([500, 500, 500]);
    expect(answers.map(({ headers }) => headers.get('x-vercel-error'))).toEqual(
      Array(3).fill('FUNCTION_INVOCATION_FAILED'),
    );
    expect((await fetch(`${host.url}/api/env`)).status).toBe(200);
  });

  it.each(['ticks=1000', 'busy'])('is killed at its limit and really stops (%s)', async (work) => {
    const host = await open({ limitSeconds: 0.5 });
    const pid = await answeringPid(host.url);
    const response = await fetch(`${host.url}/api/slow?${work}`);
    expect(response.status).toBe(504);
    expect(await response.text()).toContain('FUNCTION_INVOCATION_TIMEOUT');
    await gone(pid);
    expect(await answeringPid(host.url)).not.toBe(pid);
  });

  it('has the limit that vercel.json sets for it', async () => {
    const host = await open();
    expect((await fetch(`${host.url}/api/slow?ticks=500`)).status).toBe(504);
  });
});

describe('faults of the function host', () => {
  it('kill all instances at once', async () => {
    const host = await open();
    const running = [1, 2].map(() => fetch(`${host.url}/api/slow?busy`));
    let killed = 0;
    while (killed < 2) {
      await pause(100);
      killed += await host.killAll();
    }
    expect((await Promise.all(running)).map(({ status }) => status)).toEqual([502, 502]);
    expect((await fetch(`${host.url}/api/env`)).status).toBe(200);
  });

  it('kill the host and every instance', async () => {
    const host = await open();
    const { pid } = await json(await fetch(`${host.url}/api/env`));
    await host.kill();
    await gone(host.pid, pid as number);
    await expect(fetch(host.url)).rejects.toThrow();
  });
});

describe('crons of the function host', () => {
  it('are called as Vercel does', async () => {
    const host = await open({ env: { CRON_SECRET: 'cron-secret' } });
    expect(await json(await host.fireCron('/api/cron/tick'))).toEqual({
      authorization: 'Bearer cron-secret',
      agent: 'vercel-cron/1.0',
    });
  });

  it('carry no authorisation when there is no secret', async () => {
    expect(await json(await (await open()).fireCron('/api/cron/tick'))).toMatchObject({ authorization: null });
  });

  it('are those of vercel.json only', async () => {
    await expect((await open()).fireCron('/api/echo')).rejects.toThrow('no cron');
  });
});

describe('the end of the function host', () => {
  it('leaves no process behind', async () => {
    const host = await open();
    const { pid } = await json(await fetch(`${host.url}/api/env`));
    await host.stop();
    await gone(host.pid, pid as number);
    await host.stop();
  });

  it('comes with the end of its parent', async () => {
    const script = `
      import { startFunctionHost } from ${JSON.stringify(join(fixtures, '../../../../dist/dev/function-host/index.js'))};
      const host = await startFunctionHost({ root: ${JSON.stringify(fixtures)}, functionsDir: 'api', env: {} });
      const { pid } = await (await fetch(host.url + '/api/env')).json();
      console.log(JSON.stringify([host.pid, pid]));`;
    const parent = spawn(process.execPath, ['--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const [line] = (await once(createInterface(parent.stdout), 'line')) as [string];
    parent.kill('SIGKILL');
    await gone(...(JSON.parse(line) as number[]));
  });

  it('is reported when the port is taken or there are no functions', async () => {
    const host = await open();
    await expect(open({ port: Number(new URL(host.url).port) })).rejects.toThrow('EADDRINUSE');
    await expect(open({ functionsDir: 'none' })).rejects.toThrow('ENOENT');
  });
});
