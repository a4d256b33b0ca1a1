import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { adoptDatabase, signUnsignedState } from '../../lib/snapshot/accept.js';
import { findLatest } from '../../lib/snapshot/latest.js';
import { sha256 } from '../../lib/snapshot/manifest.js';
import type { ObjectStore } from '../../lib/ports/store.js';
import { addMark, endMarks, removeMarks, unfinishedOf } from '../../lib/snapshot/unfinished-marks.js';
import { trustContext } from '../../lib/snapshot/trust.js';
import { folderStore, type FolderStore } from '../support/folder-store.js';
import { makeSnapshot, UNSIGNED, type MadeOptions } from '../support/made-snapshots.js';
import { silentLog } from '../../lib/app/in-process.js';
import { authenticatedStore } from '../../lib/control/authenticated-store.js';
import { ed25519Signer, generateSigningKey } from '../../lib/crypto/ed25519.js';
import { decodeJson, encodeJson } from '../../lib/json.js';
import { runName } from '../../lib/runs/records.js';
import { runsOf } from '../../lib/runs/recent.js';
import { writeRun } from '../retention/prune/bench.js';

const NOW = Date.parse('2026-11-22T12:00:00Z');
const OWN = sha256('host');
const moved = sha256('new-host');
let folder: FolderStore;
beforeEach(async () => {
  folder = await folderStore();
});
afterEach(() => folder.remove());

const context = () => trustContext({ store: folder.store, signer: UNSIGNED, clock: { now: () => NOW } }, moved);
const latest = async (): Promise<string | undefined> => (await findLatest(await context())).entry?.id;

/** A snapshot of this many hours ago. */
function made(hours: number, options: Partial<MadeOptions> = {}): Promise<string> {
  return makeSnapshot(folder.store, { at: new Date(NOW - hours * 3_600_000).toISOString(), ...options });
}

it('a database that moved does not adopt the old one while a nearly empty snapshot would be latest', async () => {
  const old = await made(9);
  const empty = await made(1, { source: moved, keys: 1, parts: 1 });
  const adopt = async () => adoptDatabase(await context(), OWN.slice(0, 8), { reason: 'moved', withdraw: false });
  await expect(adopt()).rejects.toMatchObject({
    code: 'not-confirmed',
    message: expect.stringContaining(empty) as unknown,
    hint: expect.stringContaining(`restore ${old} --from-source`) as unknown,
  });
  expect(await latest()).toBe(empty);
  const brought = await made(0.5, { source: moved });
  await adopt();
  expect(await latest()).toBe(brought);
});

describe('a restore that did not end at the old address', () => {
  const since = new Date(NOW - 2 * 3_600_000).toISOString();
  const mark = { run: 'run-1', scope: { all: true as const }, mode: 'replace', since, kind: 'restore' };
  const adopt = async (marksElsewhere?: () => ObjectStore) =>
    adoptDatabase(await context(), OWN.slice(0, 8), {
      ...(marksElsewhere === undefined ? {} : { marksElsewhere }),
      ...{ reason: 'moved', withdraw: false },
    });
  const later = { ...mark, run: 'run-2', since: new Date(NOW - 3_600_000).toISOString() };

  it('counts at the new one, whichever store has the mark, until it is accepted there', async () => {
    const second = await folderStore();
    await made(9);
    await addMark(second.store, OWN, mark);
    expect(await adopt(() => second.store)).toMatchObject({ changed: true, unfinished: [{ run: 'run-1' }] });
    expect(await unfinishedOf(folder.store, moved)).toEqual([mark]);
    await removeMarks(folder.store, moved, () => true);
    expect(await adopt(() => second.store)).toMatchObject({ changed: false, unfinished: [] });
    expect(await unfinishedOf(folder.store, moved)).toEqual([]);
    await second.remove();
  });

  it('does not count at the new one if everything there was replaced since', async () => {
    await made(9);
    await addMark(folder.store, OWN, mark);
    await addMark(folder.store, moved, later);
    await endMarks(folder.store, moved, () => true);
    expect(await adopt()).toMatchObject({ changed: true, unfinished: [] });
    expect(await unfinishedOf(folder.store, moved)).toEqual([]);
  });

  it('counts although one project was restored there since', async () => {
    await made(9);
    await addMark(folder.store, OWN, mark);
    await addMark(folder.store, moved, { ...later, scope: { project: 'p1' } });
    await endMarks(folder.store, moved, () => true);
    expect(await adopt()).toMatchObject({ unfinished: [{ run: 'run-1' }] });
  });
});

const AT = '2026-11-22T12:00:00.000Z';

it('signs what has no signature, ends a run that had not ended, and leaves what another key signed', async () => {
  const signerOf = () => ed25519Signer({ privateKey: generateSigningKey().privateKey, publicKey: null });
  const signer = signerOf();
  const store = authenticatedStore(folder.store, signer, silentLog());
  const id = await writeRun(folder.store);
  const found = await folder.store.read(runName(id));
  const record = decodeJson(found?.body ?? Buffer.of()) as object;
  const open = `${id.slice(0, -4)}zzzz`;
  await folder.store.create(runName(open), encodeJson({ ...record, id: open, state: 'running', finishedAt: null }));
  await folder.store.create('guard/sources.json', encodeJson({ a: [] }));
  await folder.store.create('runs/20261122T020000Z-aaaaaa/run.json', encodeJson({}));
  await authenticatedStore(folder.store, signerOf(), silentLog()).create('guard/pins.json', encodeJson({ pinned: [] }));
  expect(await runsOf(store, [id, open])).toEqual([]);
  expect(await signUnsignedState({ store, signer }, AT)).toEqual(['guard/sources.json', runName(id), runName(open)]);
  expect(await store.read('guard/sources.json')).not.toBeNull();
  expect(await store.read('guard/pins.json')).toBeNull();
  expect(await runsOf(store, [id, open])).toMatchObject([
    { id },
    { id: open, state: 'failed', finishedAt: AT, checkpoint: null, error: { code: 'cancelled' } },
  ]);
  expect(await signUnsignedState({ store, signer }, AT)).toEqual([]);
});
