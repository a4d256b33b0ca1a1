import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { backup } from '../../lib/cli/backup.js';
import { guardByHand } from '../../lib/cli/upkeep.js';
import { forgetSubject } from '../../lib/cli/erasure.js';
import { restore } from '../../lib/cli/restore.js';
import type { RestoreOptions } from '../../lib/cli/restore/request.js';
import { status } from '../../lib/cli/status.js';
import { startFaultProxy, type FaultProxy } from '../../dev/fault-proxy.js';
import { startUpstashRedis } from '../../dev/upstash-redis/index.js';
import { contextOf } from '../control/odd-store.js';
import { startTestDatabase, type TestDatabase } from '../support/test-database.js';
import type { Variables } from './fixture.js';

const RESTORE: RestoreOptions = {
  mode: 'replace',
  ttl: 'keep',
  safety: true,
  settle: true,
  reindex: false,
  yes: true,
  replica: true,
};

let database: TestDatabase;
let server: Awaited<ReturnType<typeof startUpstashRedis>>;
let proxy: FaultProxy;
let folder: string;
let env: Variables;
let refuses = false;
beforeAll(async () => {
  database = await startTestDatabase();
  server = await startUpstashRedis({ redisUrl: database.url, token: 'test-token' });
  const denied = { status: 401, body: '{"error":"Unauthorized"}' } as const;
  const rule = ({ body }: { readonly body: Buffer }) =>
    refuses && /"M?SET","key:/.test(body.toString()) ? denied : ('pass' as const);
  proxy = await startFaultProxy({ target: server.url, rule });
});
afterAll(async () => {
  await proxy.stop();
  await server.stop();
  await database.stop();
});
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'replica-'));
  env = {
    UPSTASH_REDIS_REST_URL: proxy.url,
    UPSTASH_REDIS_REST_TOKEN: 'test-token',
    BACKUP_STORE: pathToFileURL(join(folder, 'first')).href,
    BACKUP_REPLICA_STORE: pathToFileURL(join(folder, 'second')).href,
  };
  await database.redis.flushall();
  await database.redis.mset('key:1', 'a', 'key:2', 'b', 'other', 'c');
});
afterEach(() => rm(folder, { recursive: true, force: true }));

type Document = Readonly<Record<string, unknown>>;

async function run(
  command: (context: ReturnType<typeof contextOf>) => Promise<number>,
  variables = env,
): Promise<{ code: number; document: Document; lines: readonly string[] }> {
  const context = contextOf(variables);
  const code = await command(context);
  return { code, document: context.said() as Document, lines: context.lines };
}

/** A snapshot that both stores have; then keys are lost. */
async function taken(): Promise<string> {
  const { document } = await run((context) => backup(context, { local: true }));
  await cp(join(folder, 'first'), join(folder, 'second'), { recursive: true });
  await database.redis.del('key:1', 'key:2');
  return String(document['snapshot']);
}

async function brokenOff(snapshot: string, options: Partial<RestoreOptions>, variables = env): ReturnType<typeof run> {
  refuses = true;
  try {
    return await run((context) => restore(context, snapshot, { ...RESTORE, ...options }), variables);
  } finally {
    refuses = false;
  }
}

const unfinished = async (): Promise<unknown> => (await run((context) => status(context))).document['unfinished'];

async function alertHint(): Promise<string> {
  const { document } = await run((context) => guardByHand(context, { local: true }));
  const alerts = document['alerts'] as readonly { readonly code: string; readonly hint: string }[];
  return alerts.find(({ code }) => code === 'restore-unfinished')?.hint ?? '';
}

it("applies the first store's erasure list to a restore from the second store", async () => {
  await database.redis.hset('project:p1', { id: 'p1', user_id: 'u1' });
  const snapshot = await taken();
  await database.redis.del('project:p1');
  const erased = await run((context) =>
    forgetSubject(context, { kind: 'project', id: 'p1' }, { reason: 'asked for it' }),
  );
  expect(erased.code).toBe(0);
  const left = { plan: { erased: { project: 1 } } };
  for (const options of [{ dryRun: true }, {}, { lock: false, safety: false }]) {
    const { code, document } = await run((context) => restore(context, snapshot, { ...RESTORE, ...options }));
    expect([code, document]).toMatchObject([0, left]);
    expect(await database.redis.exists('project:p1')).toBe(0);
  }
  // Where the first store is gone, the second is what there is.
  const broken = { ...env, BACKUP_STORE: 's3://nowhere' };
  const alone = await run((context) => restore(context, snapshot, { ...RESTORE, dryRun: true }), broken);
  expect(alone.code).toBe(0);
  expect(alone.lines.join('\n')).toContain('the erasure list of the first store was not read');
});

describe('an interrupted restore from the second store', () => {
  it('is shown by the first store, with the command to finish it, until it is finished', async () => {
    const snapshot = await taken();
    const { code, document } = await brokenOff(snapshot, { match: ['key:*'] });
    expect(code).toBe(1);
    const command = `npx soulcaster-backup restore ${snapshot} --match 'key:*' --replica --env-file .env`;
    expect((document['error'] as { hint: string }).hint).toContain(`\`${command}`);
    expect(await unfinished()).toMatchObject([{ run: document['runId'], underWay: false }]);
    expect(await alertHint()).toContain(`\`${command}`);
    expect((await run((context) => restore(context, snapshot, { ...RESTORE, match: ['key:*'] }))).code).toBe(0);
    expect(await unfinished()).toEqual([]);
    expect(await database.redis.get('key:1')).toBe('a');
  });

  it('warns when the first store cannot be marked', async () => {
    const snapshot = await taken();
    await writeFile(join(folder, 'file'), 'no folder');
    const nowhere = { ...env, BACKUP_STORE: pathToFileURL(join(folder, 'file', 'store')).href };
    const { code, lines } = await brokenOff(snapshot, {}, nowhere);
    expect(code).toBe(1);
    expect(lines.filter((line) => line.startsWith('warning: the first store could not be marked:'))).toHaveLength(1);
  });
});

describe('an interrupted undo', () => {
  it('is reported as an undo by the alert, with the command to finish it', async () => {
    const snapshot = await taken();
    await database.redis.mset('key:1', 'x', 'key:2', 'y');
    const done = await run((context) => restore(context, snapshot, { ...RESTORE, replica: false }));
    const undo = String(done.document['undo']);
    const { code, document } = await brokenOff(undo, { replica: false });
    expect(code).toBe(1);
    expect(await alertHint()).toContain(`\`npx soulcaster-backup restore ${undo} --env-file .env\``);
    expect(await unfinished()).toMatchObject([{ run: document['runId'], kind: 'undo' }]);
  });
});
