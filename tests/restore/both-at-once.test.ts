import { cp } from 'node:fs/promises';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { ed25519Signer } from '../../lib/crypto/ed25519.js';
import type { RedisPort } from '../../lib/ports/redis.js';
import { loadManifest } from '../../lib/snapshot/manifest.js';
import { startSnapshot } from '../../lib/snapshot/run.js';
import { sourceOf } from '../../lib/snapshot/source.js';
import { intercept } from '../snapshot/intercept.js';
import { folderStore, type FolderStore } from '../support/folder-store.js';
import { startDrill } from '../../lib/restore/drill/run.js';
import { openRestoreBench, type RestoreBench, type RestoreParts } from '../support/restore-bench.js';
import { latestIn } from '../support/trust.js';

const KEYS = 400;
let bench: RestoreBench;
let second: FolderStore;
beforeEach(async () => {
  bench = await openRestoreBench();
  second = await folderStore(bench.clock);
  await bench.database.redis.mset(Object.fromEntries(Array.from({ length: KEYS }, (_, n) => [`key:${n}`, `v ${n}`])));
});
afterEach(async () => {
  await bench.stop();
  await second.remove();
});

const firstStore = () => bench.folder.store;
/** A restore that works on the second store. */
const ofSecond = (): Partial<RestoreParts> => ({ store: second.store, firstStore, marksElsewhere: firstStore });

/** Takes a snapshot, with something that happens before its n-th request. */
async function backup(at: number, act: () => Promise<unknown>) {
  let requests = 0;
  const redis: RedisPort = intercept(bench.port, {
    async before() {
      if (++requests === at) await act();
      return null;
    },
  });
  const parts = { redis, marksElsewhere: () => second.store };
  bench.clock.advance(1000);
  const started = await startSnapshot(bench.engine(parts), 'cli');
  if (!started.started) throw new Error(`held by ${started.holder}`);
  return bench.work(started.run.id, parts);
}

const latest = () => latestIn(bench.folder.store, { own: sourceOf(bench.port.host) });

describe('a snapshot beside a restore from the second store', () => {
  it('is doubtful, though the restore succeeded before it ended', async () => {
    const good = await bench.snapshot();
    await cp(bench.folder.folder, second.folder, { recursive: true });
    await bench.database.redis.del('key:1', 'key:2');
    let restored: string | undefined;
    const run = await backup(3, async () => {
      const { id, state } = await bench.restore(good.id, {}, ofSecond());
      expect(state).toBe('succeeded');
      restored = id;
    });
    expect(run).toMatchObject({ state: 'succeeded', error: { code: 'doubtful' } });
    const doubts = (await loadManifest(bench.folder.store, run.id))?.manifest.doubts;
    expect(doubts).toMatchObject([{ code: 'restored-meanwhile' }]);
    expect(doubts?.[0]?.detail).toContain(restored);
    expect(await latest()).toBe(good.id);
    const next = await backup(1, () => Promise.resolve());
    expect(next).toMatchObject({ state: 'succeeded', error: null });
    expect(await latest()).toBe(next.id);
  });
});

describe('two restores into one database', () => {
  const other = (): RedisPort => ({ ...bench.port, host: 'other.example' });

  it.each([
    ['stand-by', 'stand_by'],
    ['Standby', 'standby'],
  ])('exclude each other, though its name is written %s and %s', async (one, same) => {
    const { id } = await bench.snapshot();
    const parts = { targets: { [one]: other(), [same]: other() } };
    const first = await bench.start(id, { target: one }, parts);
    expect(first).toMatchObject({ started: true });
    const holder = first.started ? first.run.id : '';
    expect(await bench.start(id, { target: same }, parts)).toMatchObject({ started: false, holder });
  });

  it('exclude each other though two names have one address, the scratch database’s among them', async () => {
    const { id } = await bench.snapshot();
    const one = { ...bench.port, host: 'one.example' };
    const parts = { targets: { b: other(), away: one, a: other(), drill: other() } };
    const first = await bench.start(id, { target: 'b' }, parts);
    expect(first).toMatchObject({ started: true, run: { lease: 'drill' } });
    const holder = first.started ? first.run.id : '';
    expect(await bench.start(id, { target: 'a' }, parts)).toMatchObject({ started: false, holder });
    expect(await bench.start(id, { target: 'away' }, parts)).toMatchObject({ started: true });
    const named = { targets: { y: one, x: one } };
    expect(await bench.start(id, { target: 'y' }, named)).toMatchObject({ started: true });
    expect(await bench.start(id, { target: 'x' }, named)).toMatchObject({ started: false });
  });

  it.each(['drill', 'Drill'])('exclude each other if one is a drill, which wipes the database: %s', async (name) => {
    const { id } = await bench.snapshot();
    const parts = { targets: { [name]: other() } };
    const first = await bench.start(id, { target: name }, parts);
    expect(first).toMatchObject({ started: true });
    const ports = {
      clock: bench.clock,
      redisOf: (target: string | null) => (target === null ? bench.port : other()),
      signer: ed25519Signer({ privateKey: null, publicKey: null }),
      store: bench.folder.store,
    };
    expect(await startDrill(ports, bench.engine(parts))).toMatchObject({ started: false });
  });
});
