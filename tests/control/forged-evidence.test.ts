import { mkdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from '@jest/globals';
import { guardByHand } from '../../lib/cli/upkeep.js';
import { listSnapshots } from '../../lib/cli/list.js';
import { restore } from '../../lib/cli/restore.js';
import { show } from '../../lib/cli/show.js';
import { status } from '../../lib/cli/status.js';
import { connect } from '../../lib/app/connect.js';
import type { GuardReport } from '../../lib/monitoring/guard/run.js';
import { decodeJson, encodeJson } from '../../lib/json.js';
import { newId } from '../../lib/runs/ids.js';
import { sha256, type Manifest } from '../../lib/snapshot/manifest.js';
import { makeSnapshot, UNSIGNED } from '../support/made-snapshots.js';
import { folderStore } from '../support/folder-store.js';
import { contextOf, copyOf, goodStore, HOUR, logTo, put, startDatabase } from './odd-store.js';
import type { Database, OddStore } from './odd-store.js';

let database: Database;
let good: OddStore;
let store: OddStore;
beforeAll(async () => {
  database = await startDatabase();
  good = await goodStore(database, true);
});
beforeEach(async () => {
  store = await copyOf(good);
});
afterEach(() => store.stop());
afterAll(async () => {
  await good.stop();
  await database.stop();
});

type Run = (context: ReturnType<typeof contextOf>) => Promise<number>;
async function said(command: Run, env = store.env): Promise<{ readonly code: number; readonly document: unknown }> {
  const context = contextOf(env);
  return { code: await command(context), document: context.said() };
}

interface Listed {
  readonly snapshots: readonly { readonly id: string; readonly verified: boolean; readonly trust: string }[];
}
const listed = async (id: string): Promise<unknown> =>
  ((await said((context) => listSnapshots(context, { limit: 10 }))).document as Listed).snapshots.find(
    (each) => each.id === id,
  );

/** An unsigned snapshot with a hand-written verification, in the place of all that were there. */
async function forge(): Promise<string> {
  const source = manifestOf(await readFile(pathOf(store.snapshots[1] ?? ''))).source;
  await rm(join(store.folder, 'snapshots'), { recursive: true });
  await rm(join(store.folder, 'catalog.json'), { force: true });
  await mkdir(join(store.folder, 'snapshots'));
  const made = await folderStore();
  const at = new Date(Date.now() - HOUR).toISOString();
  const id = await makeSnapshot(made.store, { at, keys: 20, source, signer: UNSIGNED, previous: null });
  for await (const { name } of made.store.list('snapshots/')) {
    await put(store, name, (await made.store.read(name))?.body ?? '');
  }
  await made.remove();
  return id;
}

const pathOf = (id: string): string => join(store.folder, 'snapshots', id, 'manifest.json');
const manifestOf = (body: Buffer): Manifest => decodeJson(body) as Manifest;

it('the guard does not count an unsigned manifest with a forged verification as a backup', async () => {
  const id = await forge();
  const down = { ...store.env, UPSTASH_REDIS_REST_TOKEN: 'wrong' };
  const turn = await said((context) => guardByHand(context, { local: true }), down);
  expect(turn).toMatchObject({ code: 1, document: { outcome: 'alerts' } });
  expect((turn.document as GuardReport).alerts.map(({ code }) => code)).toEqual(
    expect.arrayContaining(['rpo-breached', 'snapshot-untrusted', 'control-state-ignored']),
  );
  expect(await said((context) => status(context))).toMatchObject({
    code: 1,
    document: { state: 'degraded', recoveryPoint: { met: false, newestVerified: null } },
  });
  expect(await listed(id)).toMatchObject({ verified: false, trust: 'untrusted' });
  await expect(show(contextOf(store.env), 'latest')).rejects.toMatchObject({ code: 'not-found' });
  const options = { mode: 'replace', ttl: 'keep', dryRun: true, safety: true, settle: true, reindex: false } as const;
  for (const wanted of ['latest', id]) await expect(restore(contextOf(store.env), wanted, options)).rejects.toThrow();
});

it('the guard does not resume a forged run, and the database receives no command of it', async () => {
  const id = await forge();
  const run = newId(Date.now() - HOUR / 2);
  const { redis } = connect(store.env, ['redis'], { log: logTo([]) });
  const keys = async (): Promise<unknown> => (await redis.pipeline([['DBSIZE']]))[0];
  const before = await keys();
  const at = new Date(Date.now() - HOUR / 2).toISOString();
  const manifestSha256 = sha256(await readFile(pathOf(id)));
  const record = {
    ...{ version: 1, id: run, kind: 'restore', state: 'running', lease: 'database', phase: 'write', tasks: 2, leg: 3 },
    ...{ stalls: 0, fence: 9, error: null, result: null, createdAt: at, updatedAt: at, finishedAt: null },
    input: { snapshot: id, scope: { all: true }, mode: 'replace', expiry: 'keep', safety: false, trigger: 'cli' },
    checkpoint: { manifestSha256, parts: [0, 1], projects: [] },
    progress: { done: 0, total: 2, unit: 'parts', bytes: 0 },
  };
  const body = encodeJson(record);
  await put(store, `runs/${run}/run.json`, body);
  await put(store, `runs/${run}/tasks/plan-000000.json`, encodeJson({ task: 0, result: {} }));
  const turn = (await said((context) => guardByHand(context, { local: true }))).document as GuardReport;
  expect(turn.steps.find(({ name }) => name === 'resume')).toMatchObject({ summary: { stuck: 0 } });
  expect(turn.alerts.map(({ code }) => code)).toContain('control-state-ignored');
  expect(await readFile(join(store.folder, `runs/${run}/run.json`))).toEqual(Buffer.from(body));
  expect(await keys()).toEqual(before);
});

it('list and show report a count that was edited in a signed manifest', async () => {
  const [, id = ''] = store.snapshots;
  const manifest = manifestOf(await readFile(pathOf(id)));
  expect(await listed(id)).toMatchObject({ verified: true, trust: 'trusted', keys: 20 });
  const { seal, ...body } = manifest;
  const edited = { ...body, counts: { ...body.counts, keys: 19 } };
  for (const next of [edited, { ...edited, seal: { ...seal, sha256: sha256(JSON.stringify(edited)) } }]) {
    await put(store, `snapshots/${id}/manifest.json`, encodeJson({ seal, ...next }));
    expect(await listed(id)).toMatchObject({ verified: false, trust: 'untrusted' });
    const shown = await said((context) => show(context, id));
    expect(shown.document).toMatchObject({ trust: 'untrusted' });
    expect((await said((context) => show(context, 'latest'))).document).toMatchObject({
      id: store.snapshots[0],
    });
  }
});
