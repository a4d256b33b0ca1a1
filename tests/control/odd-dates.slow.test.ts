import { afterAll, afterEach, beforeAll, expect, it } from '@jest/globals';
import { fileStore } from '../../lib/stores/file/store.js';
import { guardByHand, prune } from '../../lib/cli/upkeep.js';
import { listSnapshots } from '../../lib/cli/list.js';
import { restore } from '../../lib/cli/restore.js';
import { show } from '../../lib/cli/show.js';
import { status } from '../../lib/cli/status.js';
import { verify } from '../../lib/cli/backup.js';
import { connect } from '../../lib/app/connect.js';
import type { GuardReport } from '../../lib/monitoring/guard/run.js';
import { showSnapshot } from '../../lib/http/inspect.js';
import { showSnapshots } from '../../lib/http/snapshots.js';
import { showStatus } from '../../lib/http/status.js';
import { encodeJson } from '../../lib/json.js';
import { loadRun, runName } from '../../lib/runs/records.js';
import { loadManifest, signManifest } from '../../lib/snapshot/manifest.js';
import { manifestName } from '../../lib/snapshot/names.js';
import { makeSnapshot, UNSIGNED } from '../support/made-snapshots.js';
import { contextOf, copyOf, goodStore, HOUR, logTo, objectsUnder, put, startDatabase } from './odd-store.js';
import type { Database, OddStore } from './odd-store.js';

let database: Database;
let good: OddStore;
let store: OddStore;
beforeAll(async () => {
  database = await startDatabase();
  good = await goodStore(database, false);
});
afterEach(() => store.stop());
afterAll(async () => {
  await good.stop();
  await database.stop();
});

const ANY = '2026-11-24T02:00:00Z';
const YEAR_0 = '00000101T000000Z-aaaaaa';
const MONTH_13 = '20261301T000000Z-aaaaaa';

/** When the id, and when the manifest says that it was taken. The rest of the snapshot is whole and verified. */
const DATES: readonly (readonly [string, string])[] = [
  ['9999-12-31T23:59:59Z', '9999-12-31T23:59:59.999Z'],
  [new Date(Date.now() - HOUR).toISOString(), '9999-12-31T23:59:59.999Z'],
  [new Date(Date.now() - HOUR / 2).toISOString(), '+275760-09-13T00:00:00.000Z'],
  [new Date(Date.now() - HOUR / 3).toISOString(), '2026-13-01T00:00:00Z'],
  [new Date(Date.now() - HOUR / 4).toISOString(), ''],
  [new Date(Date.now() - HOUR / 5).toISOString(), 'yesterday'],
  [new Date(Date.now() - HOUR / 6).toISOString(), '+999999-01-01T00:00:00Z'],
  ['2026-11-20T02:00:00Z', '-000001-01-01T00:00:00Z'],
  ['2026-11-21T02:00:00Z', '0000-01-01T00:00:00Z'],
];

/** Beside the good ones: one of each odd date, and ids that no calendar has. */
async function oddDates(): Promise<string[]> {
  store = await copyOf(good);
  const objects = fileStore({ folder: store.folder });
  const [, newest = ''] = store.snapshots;
  const source = (await loadManifest(objects, newest))?.manifest.source ?? '';
  const ids: string[] = [];
  for (const [at, says] of DATES) {
    const id = await makeSnapshot(objects, { at, keys: 20, source, previous: null });
    const loaded = await loadManifest(objects, id);
    if (loaded === null) throw new Error('no manifest');
    const { seal, ...body } = loaded.manifest;
    expect(seal.signature).toBeNull();
    const window = { from: says, to: says };
    await put(store, manifestName(id), signManifest({ ...body, window, createdAt: says, readBackAt: says }, UNSIGNED));
    ids.push(id);
  }
  const body = (await objects.read(manifestName(newest)))?.body ?? Buffer.from('');
  for (const id of [YEAR_0, MONTH_13]) {
    await put(
      store,
      manifestName(id),
      body
        .toString()
        .replaceAll(newest, id)
        .replaceAll(/"2026-[^"]*Z"/g, `"${ANY}"`),
    );
  }
  return ids;
}

it('every command passes over snapshots with impossible dates, and none fails because of them', async () => {
  const ids = await oddDates();
  const [, newest = ''] = store.snapshots;
  const said = async (command: (context: ReturnType<typeof contextOf>) => Promise<number>, exit: number | null = 0) => {
    const context = contextOf(store.env);
    const code = await command(context);
    if (exit !== null) expect([code, context.lines]).toEqual([exit, context.lines]);
    return { document: context.said(), text: context.lines.join('\n') };
  };

  const listed = await said((context) => listSnapshots(context, { limit: 50 }));
  const { snapshots } = listed.document as { snapshots: { id: string; trust: string; ageSeconds: number }[] };
  const trust = new Map(snapshots.map(({ id, trust: state }) => [id, state]));
  expect(ids.map((id, at) => [DATES[at]?.[1], trust.get(id)])).toEqual(
    DATES.map(([, says], at) => [says, at < 7 ? 'future' : 'trusted']),
  );
  expect(listed.text).not.toMatch(/NaN|Invalid|-\d+(\.\d)? (s|min|h|d)\b/);
  for (const { ageSeconds } of snapshots) expect(ageSeconds).toBeGreaterThanOrEqual(0);

  expect((await said((context) => show(context, 'latest'))).document).toMatchObject({ id: newest });
  for (const id of ids) expect((await said((context) => show(context, id))).text).not.toMatch(/NaN|Invalid/);
  const options = { mode: 'replace', ttl: 'keep', dryRun: true, safety: true, settle: true, reindex: false } as const;
  expect((await said((context) => restore(context, 'latest', options))).document).toMatchObject({ snapshot: newest });
  const at = new Date().toISOString();
  expect((await said((context) => restore(context, undefined, { ...options, at }))).document).toMatchObject({
    snapshot: newest,
  });
  await said((context) => verify(context, 'latest', { local: true }), null);

  const stated = await said((context) => status(context), null);
  expect(stated.document).toMatchObject({ recoveryPoint: { met: true, newestVerified: { id: newest } } });
  expect(stated.text).not.toMatch(/NaN|Invalid/);

  Object.assign(process.env, store.env);
  const ports = connect(store.env, ['clock', 'log', 'signer', 'store'], { log: logTo([]) });
  const answer = await showSnapshots(ports, new Request('http://localhost/api/snapshots'));
  expect([answer.status, JSON.stringify(await answer.json()).includes(newest)]).toEqual([200, true]);
  expect([200, 503]).toContain((await showStatus(ports, new Request('http://localhost/api/status'))).status);
  for (const name of Object.keys(store.env)) Reflect.deleteProperty(process.env, name);

  const guarded = await said((context) => guardByHand(context, { local: true }), null);
  expect((guarded.document as GuardReport).steps.filter(({ state }) => state !== 'done')).toEqual([]);
  expect(guarded.text).not.toMatch(/NaN|Invalid/);

  const before = await objectsUnder(store, 'snapshots');
  for (const dryRun of [true, false]) await said((context) => prune(context, { dryRun }), null);
  const after = await objectsUnder(store, 'snapshots');
  for (const id of store.snapshots) {
    for (const name of [...before.keys()].filter((each) => each.includes(id))) expect(after.has(name)).toBe(true);
  }
});

it('list, show, status, metrics and the API agree on a snapshot taken before the latest by a clock that was ahead', async () => {
  store = await copyOf(good);
  const objects = fileStore({ folder: store.folder });
  const [, newest = ''] = store.snapshots;
  const source = (await loadManifest(objects, newest))?.manifest.source ?? '';
  const soon = (minutes: number): string => new Date(Date.now() + minutes * 60_000).toISOString();
  const ahead = await makeSnapshot(objects, { at: soon(3), keys: 20, source, fence: 1 });
  const doubts = [{ code: 'shrunk', detail: 'it has 1 key, there were 20' }];
  const doubtful = await makeSnapshot(objects, { at: soon(2), keys: 20, source, fence: 9, doubts });
  const further = await makeSnapshot(objects, { at: soon(1), keys: 20, source, fence: 1 });
  const { record } = await loadRun(objects, newest);
  for (const [id, fence] of [[ahead, 1] as const, [doubtful, 9] as const, [further, 1] as const])
    await objects.create(runName(id), encodeJson({ ...record, id, fence, firstFence: fence }));
  const expected = { [ahead]: 'future', [doubtful]: 'doubtful', [further]: 'future', [newest]: 'trusted' };
  const states = (snapshots: readonly { id: string; trust: string }[]): Record<string, string> =>
    Object.fromEntries(snapshots.filter(({ id }) => id in expected).map(({ id, trust }) => [id, trust]));

  const listed = contextOf(store.env);
  await listSnapshots(listed, { limit: 50 });
  expect(states((listed.said() as { snapshots: { id: string; trust: string }[] }).snapshots)).toEqual(expected);

  const shown = contextOf(store.env);
  for (const [id, trust] of Object.entries(expected)) {
    await show(shown, id);
    expect(shown.said()).toMatchObject({ id, trust });
  }

  const stated = contextOf(store.env);
  await status(stated);
  const passedOver = [ahead, doubtful, further].map((id) => ({ id, state: expected[id] }));
  expect(stated.said()).toMatchObject({
    recoveryPoint: { newestVerified: { id: newest }, passedOver },
    storage: { states: { future: 2, doubtful: 1, trusted: 2 } },
    alerts: expect.arrayContaining([expect.objectContaining({ code: 'snapshot-doubtful', subject: 'database' })]),
  });

  Object.assign(process.env, store.env);
  const ports = connect(store.env, ['clock', 'log', 'signer', 'store'], { log: logTo([]) });
  const answer = await showSnapshots(ports, new Request('http://localhost/api/snapshots'));
  expect(states(((await answer.json()) as { snapshots: { id: string; trust: string }[] }).snapshots)).toEqual(expected);
  const one = await showSnapshot(ports, new Request(`http://localhost/api/snapshots/${ahead}`));
  expect(await one.json()).toMatchObject({ trust: 'future' });
  for (const name of Object.keys(store.env)) Reflect.deleteProperty(process.env, name);
});
