import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { backup } from '../../lib/cli/backup.js';
import { cancel } from '../../lib/cli/unlock.js';
import { guardByHand } from '../../lib/cli/upkeep.js';
import { restore } from '../../lib/cli/restore.js';
import { accept } from '../../lib/cli/snapshots.js';
import { show } from '../../lib/cli/show.js';
import { status } from '../../lib/cli/status.js';
import { startFaultProxy, type FaultAction, type FaultProxy } from '../../dev/fault-proxy.js';
import { startUpstashRedis } from '../../dev/upstash-redis/index.js';
import { contextOf } from '../control/odd-store.js';
import { startTestDatabase, type TestDatabase } from '../support/test-database.js';
import { spawnCli, until, type Variables } from './fixture.js';

const KEYS = 300;
const LOST = Array.from({ length: 100 }, (_, at) => `key:${at}`);
const RESTORE = { mode: 'replace', ttl: 'keep', safety: true, settle: false, reindex: false, yes: true } as const;

let database: TestDatabase;
let server: Awaited<ReturnType<typeof startUpstashRedis>>;
let proxy: FaultProxy;
let folder: string;
let env: Variables;
/** What becomes of a request that writes data, once the program has been sent its signal; null: nothing is held back. */
let hold: Promise<FaultAction> | null = null;
let held = false;
beforeAll(async () => {
  database = await startTestDatabase();
  server = await startUpstashRedis({ redisUrl: database.url, token: 'test-token' });
  proxy = await startFaultProxy({
    target: server.url,
    rule({ body }) {
      if (hold === null || !/"M?SET","key:/.test(body.toString())) return 'pass';
      held = true;
      return hold;
    },
  });
  folder = await mkdtemp(join(tmpdir(), 'killed-'));
  env = {
    UPSTASH_REDIS_REST_URL: proxy.url,
    UPSTASH_REDIS_REST_TOKEN: 'test-token',
    BACKUP_STORE: pathToFileURL(folder).href,
  };
  await database.redis.mset(Object.fromEntries(Array.from({ length: KEYS }, (_, at) => [`key:${at}`, `value ${at}`])));
  await database.redis.hset('project:p1', { id: 'p1', user_id: 'u1' });
});
afterAll(async () => {
  await proxy.stop();
  await server.stop();
  await database.stop();
  await rm(folder, { recursive: true, force: true });
});

type Document = Record<string, unknown>;

async function run(command: (context: ReturnType<typeof contextOf>) => Promise<number>): Promise<[number, Document]> {
  const context = contextOf(env);
  return [await command(context), context.said() as Document];
}

const take = (): Promise<[number, Document]> => run((context) => backup(context, { local: true }));
const latest = async (): Promise<unknown> => (await run((context) => show(context, 'latest')))[1]['id'];
const locks = (): Promise<string[]> => database.redis.keys('cluster:lock:*');

/** The alerts of unfinished restores that are open after a turn of the guard. */
async function alerted(): Promise<unknown[]> {
  const [, { alerts }] = await run((context) => guardByHand(context, { local: true }));
  return (alerts as { code: string; subject: string }[])
    .filter(({ code }) => code === 'restore-unfinished')
    .map(({ subject }) => subject);
}

/** The real program restores, and is sent a signal as soon as it writes. Returns its exit code and the id of its run. */
async function killed(
  signal: 'SIGKILL' | 'SIGINT' | 'SIGHUP' | 'cancel',
): Promise<{ code: number | undefined; id: string }> {
  await database.redis.del(...LOST);
  let release: (action: FaultAction) => void = () => undefined;
  [hold, held] = [new Promise((resolve) => (release = resolve)), false];
  const child = spawnCli(['restore', 'latest', '--yes', '--no-settle'], env);
  let told = '';
  child.stderr.on('data', (chunk: Buffer) => (told += chunk.toString()));
  await until(child, () => held);
  if (signal === 'SIGHUP') {
    // The terminal is gone: nobody takes what the program says any more.
    child.stdout.destroy();
    child.stderr.destroy();
  }
  const id = /run (\S+):/.exec(told)?.[1] ?? '';
  if (signal === 'cancel') await run((context) => cancel(context, id));
  else child.kill(signal);
  // What a dead process had sent never arrives; from a live one it does.
  release(signal === 'SIGKILL' ? 'reset' : 'pass');
  const { exitCode } = await child;
  hold = null;
  return { code: exitCode, id };
}

describe('a restore that was ended while writing', () => {
  it.each(['SIGKILL', 'SIGINT', 'SIGHUP', 'cancel'] as const)(
    'by %s leaves no good backup behind until it is dealt with',
    async (signal) => {
      const [, { snapshot: good }] = await take();
      expect(await latest()).toBe(good);
      const { code, id } = await killed(signal);
      if (signal === 'SIGKILL') {
        expect(await locks()).toEqual(['cluster:lock:p1']);
        await expect(take()).rejects.toMatchObject({ code: 'locked' });
        expect((await run((context) => cancel(context, id)))[0]).toBe(0);
      } else expect(code).toBe(130);
      expect(await locks()).toEqual([]);

      const [exit, doubtful] = await take();
      expect([exit, doubtful['trust']]).toEqual([3, 'doubtful']);
      expect(await latest()).toBe(good);
      expect(await run((context) => status(context))).toMatchObject([
        1,
        { state: 'degraded', unfinished: [{ run: id, underWay: false }] },
      ]);
      expect(await alerted()).toEqual([id]);

      const dealtWith =
        signal === 'SIGINT'
          ? await run((context) => accept(context, String(doubtful['snapshot']), { reason: 'seen' }))
          : await run((context) => restore(context, 'latest', RESTORE));
      expect(dealtWith[0]).toBe(0);
      expect(await alerted()).toEqual([]);
      const [whole, { snapshot: after }] = await take();
      expect([whole, await latest()]).toEqual([0, after]);
      expect((await run((context) => status(context)))[1]).toMatchObject({ unfinished: [] });
    },
  );
});
