import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { fullApp } from '../../lib/app/app.js';
import { connect } from '../../lib/app/connect.js';
import { backup, verify } from '../../lib/cli/backup.js';
import { restore } from '../../lib/cli/restore.js';
import { requestOf, type RestoreOptions } from '../../lib/cli/restore/request.js';
import { showRun } from '../../lib/cli/run.js';
import { forget } from '../../lib/cli/snapshots.js';
import { storeEnvironment } from '../../lib/app/connect/stores.js';
import { prune } from '../../lib/cli/upkeep.js';
import { cancel, unlock } from '../../lib/cli/unlock.js';
import { overwriteObject, updateObject } from '../../lib/control/object.js';
import { decodeJson, encodeJson } from '../../lib/json.js';
import { prepareRestore, startRestore } from '../../lib/restore/start.js';
import { contextOf, startDatabase, type Database } from '../control/odd-store.js';
import type { Variables } from './fixture.js';

const RESTORE: RestoreOptions = { mode: 'replace', ttl: 'keep', safety: true, settle: true, reindex: false, yes: true };

let database: Database;
let folder: string;
let env: Variables;
let snapshot: string;
beforeAll(async () => {
  database = await startDatabase();
  folder = await mkdtemp(join(tmpdir(), 'run-restore-'));
  env = {
    ...database.env,
    BACKUP_STORE: pathToFileURL(join(folder, 'first')).href,
    BACKUP_REPLICA_STORE: pathToFileURL(join(folder, 'second')).href,
  };
  snapshot = String((await said((context) => backup(context, { local: true }))).document['snapshot']);
  await cp(join(folder, 'first'), join(folder, 'second'), { recursive: true });
});
afterAll(async () => {
  await database.stop();
  await rm(folder, { recursive: true, force: true });
});

async function said(command: (context: ReturnType<typeof contextOf>) => Promise<number>) {
  const context = contextOf(env);
  const code = await command(context);
  return { code, document: context.said() as Record<string, unknown>, text: context.lines.join('\n') };
}

it('a restore whose saved state was removed says when that was, and offers no undo', async () => {
  const { document } = await said((context) => restore(context, snapshot, RESTORE));
  const [id, undo] = [String(document['runId']), String(document['undo'])];
  const before = await said((context) => showRun(context, id, {}));
  expect(before.text).toContain(`npx soulcaster-backup restore ${undo}`);
  expect(before.document).not.toHaveProperty('undoRemoved');
  expect((await said((context) => forget(context, undo, { reason: 'asked for it' }))).code).toBe(0);
  const after = await said((context) => showRun(context, id, {}));
  expect(after.text).toMatch(
    new RegExp(`not possible: the previous state was saved as snapshot ${undo}, which was removed at 20`),
  );
  expect(after.text).toContain('(forgotten)');
  expect(after.text).not.toContain('--no-safety');
  expect(after.document).toMatchObject({ undoRemoved: { at: expect.any(String), reasons: ['forgotten'] } });
});

it('an interrupted restore says which of the snapshots that its commands need was removed', async () => {
  const { document } = await said((context) => restore(context, snapshot, RESTORE));
  const [id, undo] = [String(document['runId']), String(document['undo'])];
  const { store } = fullApp(env).ports;
  await updateObject(store, `runs/${id}/run.json`, 'The run', (found) => {
    const record = decodeJson(found?.body ?? Buffer.from('')) as Record<string, unknown>;
    const error = { code: 'store-unavailable', message: 'The store does not answer', hint: 'Try again.' };
    return encodeJson({ ...record, state: 'failed', phase: 'write', result: null, error });
  });
  expect((await said((context) => showRun(context, id, {}))).text).not.toContain('was removed at');
  expect((await said((context) => forget(context, undo, { reason: 'asked for it' }))).code).toBe(0);
  const after = (await said((context) => showRun(context, id, {}))).text;
  expect(after).toMatch(
    new RegExp(`Snapshot ${undo}, which was removed at 20.*: the restore cannot be undone with it`),
  );
  expect(after).not.toContain('cannot be finished');
});

describe('a restore that died over the second store', () => {
  let holder = '';
  beforeAll(async () => {
    const { engine, ports } = fullApp(storeEnvironment(env, true));
    const request = { ...requestOf(snapshot, RESTORE), confirm: snapshot };
    const started = await startRestore(engine, await prepareRestore(ports, request));
    if (!started.started) throw new Error('not started');
    holder = started.run.id;
  });

  it('keeps another one out, and the refusal names the commands that reach it', async () => {
    const again = said((context) => restore(context, snapshot, { ...RESTORE, replica: true }));
    await expect(again).rejects.toMatchObject({
      code: 'locked',
      hint: expect.stringContaining(`\`npx soulcaster-backup cancel ${holder} --replica --env-file .env\``),
    });
    await expect(again).rejects.toMatchObject({
      hint: expect.stringContaining('`npx soulcaster-backup unlock database --yes --replica --env-file .env`'),
    });
  });

  it('is shown and ended with --replica, and nowhere else', async () => {
    await expect(said((context) => showRun(context, holder, {}))).rejects.toMatchObject({ code: 'not-found' });
    await expect(said((context) => cancel(context, holder))).rejects.toMatchObject({ code: 'not-found' });
    expect((await said((context) => showRun(context, holder, { replica: true }))).document).toMatchObject({
      runId: holder,
      state: 'running',
    });
    const leases = await said((context) => unlock(context, undefined, { replica: true }));
    expect(leases.text).toContain('unlock database --yes --replica');
    const { document } = await said((context) => cancel(context, holder, { replica: true }));
    expect(document).toMatchObject({ run: holder, cancelled: true });
    expect((await said((context) => restore(context, snapshot, { ...RESTORE, replica: true }))).code).toBe(0);
  });

  it.each<[string, (context: ReturnType<typeof contextOf>) => Promise<number>]>([
    ['database', (context) => restore(context, snapshot, { ...RESTORE, replica: true })],
    ['verify', (context) => verify(context, snapshot, { replica: true })],
    ['prune', (context) => prune(context, { replica: true })],
  ])(
    'is refused while the lease %s of that store cannot be read, and the refusal names the command that ends it',
    async (lease, work) => {
      const { store } = connect(storeEnvironment(env, true), ['store']);
      const name = `leases/${lease}.json`;
      await store.remove(name);
      await overwriteObject(store, name, Buffer.from('{"holder": 7}'));
      await expect(said(work)).rejects.toMatchObject({
        code: 'locked',
        hint: expect.stringContaining(`\`npx soulcaster-backup unlock ${lease} --yes --replica --env-file .env\``),
      });
      await store.remove(name);
    },
  );
});
