import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { readdirSync, readlinkSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseEnv } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { loadConfig } from '../../lib/app/config.js';
import { envFileText, startStack } from '../../dev/stack/index.js';
import { undoList } from '../../dev/stack/parts.js';

const QUIET = { root: process.cwd(), functions: { maxInstances: 1, onLog: () => undefined } };

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'stack-test-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

/** Processes that work in our folder, as the database does. */
function processesIn(path: string): string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        return readlinkSync(`/proc/${pid}/cwd`).startsWith(path);
      } catch {
        return false;
      }
    });
}

async function answers(url: string): Promise<boolean> {
  return fetch(url).then(
    () => true,
    () => false,
  );
}

describe('startStack', () => {
  it('gives variables that are all there is to configure, also from a file', async () => {
    const stack = await startStack({ ...QUIET, limitSeconds: 7, variables: { BACKUP_PART_MIB: '2' } });
    try {
      const env = parseEnv(envFileText(stack.env));
      expect(env).toEqual(stack.env);
      const config = loadConfig(env, ['redis', 'store', 'queue', 'keys', 'cron', 'admin', 'limits']);
      expect(config.limits).toMatchObject({ FUNCTION_LIMIT_SECONDS: 7, BACKUP_PART_MIB: 2 });
      expect(config.queue.PUBLIC_URL).toBe(stack.urls.functions);
    } finally {
      await stack.stop();
    }
  });

  it('serves the functions, and fires the nightly cron to the end', async () => {
    const stack = await startStack(QUIET);
    try {
      const response = await stack.functions.fireCron('/api/cron/backup');
      expect([response.status, await response.json()]).toMatchObject([200, { state: 'succeeded' }]);
    } finally {
      await stack.stop();
    }
  });

  it('ends everything, keeps the folder that it was given, and may be stopped again', async () => {
    const stack = await startStack({ ...QUIET, folder });
    expect(processesIn(folder)).not.toEqual([]);
    await stack.stop();
    await stack.stop();
    expect(processesIn(folder)).toEqual([]);
    const { functions, queue, redisRest } = stack.urls;
    expect(await Promise.all([functions, queue, redisRest].map(answers))).toEqual([false, false, false]);
    expect(readdirSync(folder).sort()).toEqual(['redis', 'store']);
  });

  it('leaves nothing running when the last part does not start', async () => {
    const root = join(folder, 'project');
    await mkdir(root);
    await writeFile(join(root, 'vercel.json'), 'no JSON');
    const data = join(folder, 'data');
    await expect(startStack({ ...QUIET, root, folder: data })).rejects.toThrow();
    // The database had been started: its files are there.
    expect(readdirSync(join(data, 'redis'))).not.toEqual([]);
    expect(processesIn(folder)).toEqual([]);
  });

  it('starts nothing when a port is taken', async () => {
    const taken = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => taken.once('listening', resolve));
    const { port } = taken.address() as AddressInfo;
    for (const part of ['functions', 'queue', 'redis']) {
      const starting = startStack({ ...QUIET, folder, ports: { [part]: port } });
      await expect(starting).rejects.toMatchObject({ code: 'config', message: expect.stringContaining('port') });
      expect(processesIn(folder)).toEqual([]);
    }
    expect(readdirSync(folder)).toEqual([]);
    taken.close();
  });
});

describe('undoList', () => {
  it('ends in the opposite order, each once, past failures, and then throws the first', async () => {
    const order: string[] = [];
    const undo = undoList();
    for (const name of ['a', 'b', 'c']) {
      undo.push(() => {
        order.push(name);
        return name === 'a' ? Promise.resolve() : Promise.reject(new Error(name));
      });
    }
    await expect(undo.run()).rejects.toThrow('c');
    await undo.run();
    expect(order).toEqual(['c', 'b', 'a']);
  });
});
