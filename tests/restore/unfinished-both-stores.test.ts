import { beforeEach, describe, expect, it, afterEach } from '@jest/globals';
import { AppError } from '../../lib/errors.js';
import type { RedisCommand } from '../../lib/ports/redis.js';
import { sourceOf } from '../../lib/snapshot/source.js';
import { addMark, dropEndedMarks, endMarks, marksOf, unfinishedOf } from '../../lib/snapshot/unfinished-marks.js';
import { replicate } from '../../lib/retention/replica/replicate.js';
import { authenticatedStore } from '../../lib/control/authenticated-store.js';
import { ed25519Signer, generateSigningKey } from '../../lib/crypto/ed25519.js';
import { silentLog } from '../../lib/app/in-process.js';
import { UNSIGNED } from '../support/made-snapshots.js';
import type { ObjectStore } from '../../lib/ports/store.js';
import { startSnapshot } from '../../lib/snapshot/run.js';
import { acceptSnapshot } from '../../lib/snapshot/accept.js';
import { intercept } from '../snapshot/intercept.js';
import { openRestoreBench, type RestoreBench, type RestoreParts } from '../support/restore-bench.js';
import { stumblingStore } from '../support/failing-store.js';
import { folderStore, type FolderStore } from '../support/folder-store.js';
import { trustIn } from '../support/trust.js';

it('accepting a snapshot ends its marks in both stores, so that the next snapshot is not doubtful', async () => {
  const bench = await openRestoreBench();
  const second = await folderStore(bench.clock);
  try {
    await bench.database.redis.set('key', 'v');
    const own = sourceOf(bench.port.host);
    const run = '20890101T000000Z-aaaaaa';
    const mark = { run, scope: { all: true as const }, since: '2089-01-01T00:00:00Z', kind: 'restore' };
    for (const { store } of [bench.folder, second]) await addMark(store, own, mark);
    const parts = { marksElsewhere: () => second.store };
    const started = await startSnapshot(bench.engine(parts), 'cli');
    const { error, id } = await bench.work(started.started ? started.run.id : '', parts);
    expect(error?.code).toBe('doubtful');
    const planned = async () => (await bench.restore(id, { dryRun: true, confirm: null })).result;
    expect(await planned()).toMatchObject({ accepted: null, staysMarked: true });
    const words = { by: 'me', reason: 'looked at the data', ...parts };
    const { ended } = await acceptSnapshot(trustIn(bench.folder.store, { own }), id, words);
    expect(ended).toEqual([run]);
    const accepted = { by: 'me', reason: 'looked at the data' };
    expect(await planned()).toMatchObject({ accepted, staysMarked: false });
    expect((await bench.restore(id)).result).toMatchObject({ accepted });
    expect([await unfinishedOf(bench.folder.store, own), await unfinishedOf(second.store, own)]).toEqual([[], []]);
    expect((await bench.snapshot(parts)).doubts ?? []).toEqual([]);
  } finally {
    await second.remove();
    await bench.stop();
  }
});

describe('a restore from the first store that broke off', () => {
  let bench: RestoreBench;
  let second: FolderStore;
  let own: string;
  beforeEach(async () => {
    bench = await openRestoreBench();
    second = await folderStore(bench.clock);
    own = sourceOf(bench.port.host);
    await bench.database.redis.mset('key:1', 'v', 'key:2', 'w');
  });
  afterEach(async () => {
    await second.remove();
    await bench.stop();
  });

  const inFirst = async () => (await unfinishedOf(bench.folder.store, own)).map(({ run }) => run);
  const inSecond = async () => (await unfinishedOf(second.store, own)).map(({ run }) => run);
  const replicated = () => {
    const { clock, folder } = bench;
    const stores = { store: folder.store, replica: second.store };
    return replicate({ clock, log: silentLog(), own, signer: UNSIGNED, ...stores }, { dryRun: false });
  };
  /** Breaks a restore off before it writes the key that is missing. */
  async function breakOff(id: string, parts: Partial<RestoreParts>) {
    await bench.database.redis.del('key:1');
    const isWrite = (commands: readonly RedisCommand[]) => commands.some(([name]) => ['SET', 'MSET'].includes(name));
    const redis = intercept(bench.port, {
      before: (commands) =>
        isWrite(commands)
          ? Promise.reject(new AppError('redis-denied', 'refused', { hint: 'none' }))
          : Promise.resolve(null),
    });
    const run = await bench.restore(id, {}, { ...parts, redis });
    expect(run.state).toBe('failed');
    return run.id;
  }

  it('is marked in the second store too, which may take the place of the first', async () => {
    const parts = { marksElsewhere: () => second.store };
    const good = await bench.snapshot();
    const broken = await breakOff(good.id, parts);
    expect(await inSecond()).toEqual([broken]);
    const started = await startSnapshot(bench.engine({ store: second.store }), 'cli');
    const { error } = await bench.work(started.started ? started.run.id : '', { store: second.store });
    expect(error?.code).toBe('doubtful');
    expect((await bench.restore(good.id, {}, parts)).state).toBe('succeeded');
    expect(await inSecond()).toEqual([]);
  });

  it('is finished in spite of a second store that is out of reach, and its mark there no longer counts', async () => {
    const good = await bench.snapshot();
    const gone = { marksElsewhere: () => stumblingStore(second.store, 1).store };
    expect(await unfinishedOf(bench.folder.store, own)).toEqual([]);
    const unseen = await breakOff(good.id, gone);
    expect([await unfinishedOf(bench.folder.store, own), await inSecond()]).toMatchObject([[{ run: unseen }], []]);
    const parts = { marksElsewhere: () => second.store };
    const broken = await breakOff(good.id, parts);
    expect((await bench.restore(good.id, {}, gone)).state).toBe('succeeded');
    expect(await inSecond()).toEqual([broken]);
    expect((await bench.snapshot(parts)).doubts ?? []).toEqual([]);
    await replicated();
    expect(await inSecond()).toEqual([]);
  });

  it('is finished from the second store while the first is out of reach, and its mark in the first no longer counts', async () => {
    const parts = { marksElsewhere: () => second.store };
    const good = await bench.snapshot();
    const broken = await breakOff(good.id, parts);
    await replicated();
    const gone = { store: second.store, firstStore: () => stumblingStore(bench.folder.store, 1).store };
    expect((await bench.restore(good.id, {}, gone)).state).toBe('succeeded');
    expect([await inFirst(), await inSecond()]).toEqual([[broken], []]);
    expect((await bench.snapshot(parts)).doubts ?? []).toEqual([]);
    await replicated();
    expect(await inFirst()).toEqual([]);
  });

  it('still counts where only an unsigned list of the other store says that it ended', async () => {
    const signer = ed25519Signer({ ...generateSigningKey(), publicKey: null });
    const signed = (store: ObjectStore) => authenticatedStore(store, signer, silentLog());
    const mark = { run: '20890101T000000Z-aaaaaa', scope: { all: true as const }, since: '2089', kind: 'restore' };
    await addMark(signed(bench.folder.store), own, mark);
    await addMark(second.store, own, mark);
    await endMarks(second.store, own, () => true);
    const ports = { store: signed(bench.folder.store), marksElsewhere: () => signed(second.store) };
    expect(await marksOf(ports, own)).toMatchObject([{ run: mark.run }]);
    await dropEndedMarks(ports.store, ports.marksElsewhere());
    expect(await unfinishedOf(ports.store, own)).toMatchObject([{ run: mark.run }]);
  });
});
