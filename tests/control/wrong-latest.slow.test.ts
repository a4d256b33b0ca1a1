import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { fullApp } from '../../lib/app/app.js';
import { backup } from '../../lib/cli/backup.js';
import { guardByHand, replicate } from '../../lib/cli/upkeep.js';
import { listSnapshots } from '../../lib/cli/list.js';
import { restore } from '../../lib/cli/restore.js';
import { show } from '../../lib/cli/show.js';
import { adopt } from '../../lib/cli/snapshots.js';
import { withErrorResponse } from '../../lib/http/responses.js';
import { adminRestore } from '../../lib/http/restore.js';
import { startFaultProxy, type FaultProxy } from '../../dev/fault-proxy.js';
import { startUpstashRedis, type UpstashRedisStandIn } from '../../dev/upstash-redis/index.js';
import type { GuardReport } from '../../lib/monitoring/guard/run.js';
import { sourceOf } from '../../lib/snapshot/source.js';
import { startTestDatabase, type TestDatabase } from '../support/test-database.js';
import { BUDGET, contextOf, logTo } from './odd-store.js';

const KEYS = 606;
const PLAN = { mode: 'replace', ttl: 'keep', dryRun: true, safety: true, settle: true, reindex: false } as const;
type Env = Readonly<Record<string, string>>;
type Said = ReturnType<typeof contextOf> & { readonly exit: number };

let database: TestDatabase;
let server: UpstashRedisStandIn;
let proxy: FaultProxy;
let onRequest: (body: string) => Promise<void>;
let folder: string;
let env: Env;
beforeAll(async () => {
  database = await startTestDatabase();
  server = await startUpstashRedis({ redisUrl: database.url, token: 'test' });
  proxy = await startFaultProxy({
    target: server.url,
    rule: async ({ body }) => {
      await onRequest(body.toString());
      return 'pass' as const;
    },
  });
});
beforeEach(async () => {
  onRequest = () => Promise.resolve();
  folder = await mkdtemp(join(tmpdir(), 'latest-'));
  env = {
    UPSTASH_REDIS_REST_URL: proxy.url,
    UPSTASH_REDIS_REST_TOKEN: 'test',
    BACKUP_STORE: pathToFileURL(join(folder, 'first')).href,
    BACKUP_REPLICA_STORE: pathToFileURL(join(folder, 'second')).href,
    BACKUP_LABEL: 'production',
  };
  await database.redis.flushall();
  await database.redis.mset(Object.fromEntries(Array.from({ length: KEYS }, (_, at) => [`key:${at}`, `value ${at}`])));
});
afterEach(() => rm(folder, { recursive: true, force: true }));
afterAll(async () => {
  await proxy.stop();
  await server.stop();
  await database.stop();
});

async function run(command: (context: Said) => Promise<number>, which: Env = env): Promise<Said> {
  const context = contextOf(which) as Said;
  return Object.assign(context, { exit: await command(context) });
}
const take = (which = env): Promise<Said> => run((context) => backup(context, { local: true }), which);
const documentOf = (said: Said): Record<string, unknown> => said.said() as Record<string, unknown>;
const idOf = (said: Said): string => String(documentOf(said)['snapshot']);
const latest = async (which = env): Promise<unknown> =>
  documentOf(await run((context) => show(context, 'latest'), which))['id'];
const planned = async (which: Env, options: object = {}): Promise<unknown> =>
  documentOf(await run((context) => restore(context, undefined, { ...PLAN, ...options }), which))['snapshot'];

describe('a database that is emptied', () => {
  it.each(['before it is read', 'while it is read'])(
    '%s is told of by every command, and never becomes latest',
    async (when) => {
      const good = idOf(await take());
      let scans = 0;
      if (when === 'before it is read') await database.redis.flushall();
      else {
        onRequest = async (body): Promise<void> => {
          if (body.includes('"SCAN"') && ++scans === 2) await database.redis.flushall();
        };
      }
      const said = await take();
      onRequest = () => Promise.resolve();
      const doubtful = idOf(said);
      const text = said.lines.join('\n');
      expect([said.exit, documentOf(said)['trust']]).toEqual([3, 'doubtful']);
      expect(text).toContain('complete but doubtful');
      expect(text).toMatch(/606/);
      expect(text).toContain(`snapshots accept ${doubtful}`);

      const listed = (await run((context) => listSnapshots(context, { limit: 9 }))).lines.join('\n');
      expect(listed).toMatch(new RegExp(`^${doubtful} .* doubtful `, 'm'));
      expect(listed).toMatch(new RegExp(`^${doubtful} is doubtful: .*606`, 'm'));
      expect(await latest()).toBe(good);
      const plan = await run((context) => restore(context, 'latest', PLAN));
      expect(documentOf(plan)).toMatchObject({ snapshot: good, plan: { total: { write: KEYS } } });
      expect(plan.lines.join('\n')).toContain(`${doubtful} is doubtful`);
      const named = await run((context) => restore(context, doubtful, PLAN));
      expect(named.lines.join('\n')).toMatch(/doubt|606/i);

      const guarded = documentOf(
        await run((context) => guardByHand(context, { local: true })),
      ) as unknown as GuardReport;
      const found = guarded.alerts.find(({ code }) => code === 'snapshot-doubtful');
      expect(found?.message).toContain(doubtful);
      // The same again: what is doubtful is no measure for the next one.
      expect((await take()).exit).toBe(3);
      expect(await latest()).toBe(good);
    },
  );
});

describe('a second database that writes into the same store', () => {
  let staging: Env;
  let own: string;
  let foreign: string;
  beforeEach(async () => {
    staging = { ...env, UPSTASH_REDIS_REST_URL: server.url, BACKUP_LABEL: 'production' };
    own = idOf(await take());
    foreign = idOf(await take(staging));
  });

  it('is never chosen as latest: by time, in the second store, under the same label or a new one', async () => {
    const at = new Date(Date.now() + 1000).toISOString();
    expect([await planned(env), await planned(env, { at })]).toEqual([own, own]);
    expect([await planned(staging), await planned(staging, { at })]).toEqual([foreign, foreign]);
    const renamed = { ...env, BACKUP_LABEL: 'staging' };
    expect([await latest(renamed), await planned(renamed, { at })]).toEqual([own, own]);
    expect((await run((context) => replicate(context, {}))).exit).toBe(0);
    expect([await planned(env, { replica: true }), await planned(env, { replica: true, at })]).toEqual([own, own]);
    expect(await planned(staging, { replica: true })).toBe(foreign);

    await run((context) => adopt(context, foreignSource(), { reason: 'moved' }));
    expect([await latest(), await planned(env)]).toEqual([foreign, foreign]);
    await run((context) => replicate(context, {}));
    expect(await planned(env, { replica: true })).toBe(foreign);
  });

  it('is restored by a request only when the request asks for it', async () => {
    const app = fullApp(env, { log: logTo([]) });
    const send = async (body: object): Promise<[number, unknown]> => {
      const request = new Request('http://localhost/api/restore', { method: 'POST', body: JSON.stringify(body) });
      const response = await withErrorResponse(logTo([]), () => adminRestore(app, request, BUDGET));
      return [response.status, await response.json()];
    };
    const scope = { all: true };
    for (const body of [{ dryRun: true }, { confirm: foreign }]) {
      const [status, problem] = await send({ snapshot: foreign, scope, ...body });
      expect([status, problem]).toMatchObject([428, { code: 'not-confirmed' }]);
      expect(JSON.stringify(problem)).toMatch(/another database.*fromSource/);
    }
    expect((await send({ snapshot: foreign, scope, dryRun: true, fromSource: true }))[0]).toBe(200);
    const [status, view] = await send({ snapshot: 'latest', scope, dryRun: true });
    expect([status, view]).toMatchObject([200, { input: { snapshot: own } }]);
  });

  function foreignSource(): string {
    return sourceOf(new URL(server.url).host).slice(0, 8);
  }
});
