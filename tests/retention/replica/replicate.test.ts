import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { silentLog } from '../../../lib/app/in-process.js';
import { upkeepStep } from '../../../lib/monitoring/guard/steps.js';
import { replicate, type ReplicateOptions } from '../../../lib/retention/replica/replicate.js';
import type { ObjectStore } from '../../../lib/ports/store.js';
import { latestIn } from '../../support/trust.js';
import { manifestName } from '../../../lib/snapshot/names.js';
import { readVerification, writeVerification } from '../../../lib/snapshot/statements.js';
import { mortalStore, quotaStore, stumblingStore, type FailingStore } from '../../support/failing-store.js';
import { folderStore, type FolderStore } from '../../support/folder-store.js';
import { findingsOf, makeSnapshot, UNSIGNED } from '../../support/made-snapshots.js';
import { days, daysAgo, listed, namesIn, noon, pruneIn, TWO } from '../prune/bench.js';
import { memoryCopy } from '../prune/memory-store.js';

let [first, second]: FolderStore[] = [];
beforeEach(async () => {
  [first, second] = [await folderStore(), await folderStore()];
});
afterEach(async () => {
  await first?.remove();
  await second?.remove();
});
const store = (): ObjectStore => (first as FolderStore).store;
const replica = (): ObjectStore => ({ ...(second as FolderStore).store, isSecond: true });

function copy(options: Partial<ReplicateOptions> = {}, to = replica(), from = store(), clock = noon()) {
  const ports = { clock, log: silentLog(), own: null, signer: UNSIGNED, store: from, replica: to };
  return replicate(ports, { dryRun: false, ...options });
}

async function alter(at: ObjectStore, name: string): Promise<void> {
  const found = await at.read(name);
  if (found !== null) await at.swap(name, Buffer.concat([found.body.subarray(1), Buffer.from('x')]), found.etag);
}

describe('replication', () => {
  it('copies the snapshots that the second store lacks, whole and with an explained chain', async () => {
    const ids = await days(store(), 3);
    expect(await copy()).toMatchObject({ snapshots: 3, copied: 3, left: 0, damaged: [], conflicts: [] });
    expect(await namesIn(replica(), 'snapshots/')).toEqual(await namesIn(store(), 'snapshots/'));
    for (const id of ids) expect(await findingsOf(replica(), noon(), id)).toEqual([]);
    expect(await latestIn(replica())).toBe(ids[0]);
    expect(await copy()).toMatchObject({ snapshots: 3, copied: 0, bytes: 0 });
  });

  it('changes nothing in a dry run, and reports what it would copy', async () => {
    await days(store(), 2);
    expect(await copy({ dryRun: true })).toMatchObject({ snapshots: 0, copied: 2 });
    expect(await namesIn(replica())).toEqual([]);
  });

  it('never copies a corrupt part, copies the other snapshots, and explains the gap', async () => {
    const ids = await days(store(), 3);
    const part = (await namesIn(store(), `snapshots/${ids[1] ?? ''}/part-`))[0] ?? '';
    await alter(store(), part);
    expect(await copy()).toMatchObject({ copied: 2, damaged: [part] });
    expect(await listed(replica())).toEqual([ids[0], ids[2]]);
    expect(await replica().read(part)).toBeNull();
    expect(await findingsOf(replica(), noon(), ids[0] ?? '')).toEqual([]);
  });

  it('copies a snapshot after it has been repaired', async () => {
    const ids = await days(store(), 2);
    const part = (await namesIn(store(), `snapshots/${ids[1] ?? ''}/part-`))[0] ?? '';
    const good = (await store().read(part))?.body ?? Buffer.alloc(0);
    await alter(store(), part);
    await copy();
    await store().remove(part);
    await store().create(part, good);
    expect(await copy()).toMatchObject({ copied: 1, damaged: [] });
    expect(await findingsOf(replica(), noon(), ids[1] ?? '')).toEqual([]);
  });

  it('does not copy snapshots that are damaged, unverified, or have a wrong hash', async () => {
    const good = await makeSnapshot(store(), { at: daysAgo(5) });
    const damaged = await makeSnapshot(store(), { at: daysAgo(4), verified: 'damaged' });
    const unverified = await makeSnapshot(store(), { at: daysAgo(3), verified: null });
    const broken = await makeSnapshot(store(), { at: daysAgo(2) });
    await alter(store(), manifestName(broken));
    const newest = await makeSnapshot(store(), { at: daysAgo(1) });
    expect(await copy()).toMatchObject({ damaged: [broken, damaged], unverified: [unverified] });
    expect(await listed(replica())).toEqual([newest, good]);
  });

  it('copies again snapshots found damaged in the second store', async () => {
    const ids = await days(store(), 2);
    await copy();
    const id = ids[0] ?? '';
    await alter(replica(), (await namesIn(replica(), `snapshots/${id}/part-`))[0] ?? '');
    expect((await findingsOf(replica(), noon(), id)).length).toBe(1);
    expect(await copy()).toMatchObject({ copied: 1 });
    expect((await readVerification(replica(), id))?.state).toBe('verified');
    expect(await findingsOf(replica(), noon(), id)).toEqual([]);
  });

  it('copies again a part that went missing in the second store', async () => {
    await days(store(), 2);
    await copy();
    const [lost = ''] = (await namesIn(replica(), 'snapshots/')).filter((name) => name.includes('/part-'));
    await replica().remove(lost);
    expect(await copy()).toMatchObject({ copied: 1, damaged: [] });
    expect(await namesIn(replica(), lost)).toEqual([lost]);
  });

  it('does not overwrite a good copy when the first store is altered or damaged', async () => {
    const ids = await days(store(), 2);
    await copy();
    const [id, other] = [ids[0] ?? '', ids[1] ?? ''];
    const before = (await replica().read(manifestName(id)))?.etag;
    await alter(store(), manifestName(id));
    const at = daysAgo(0);
    await writeVerification(store(), other, { state: 'damaged', at, run: other, depth: 'lines', findings: [] });
    expect(await copy()).toMatchObject({ copied: 0, conflicts: [id] });
    expect((await replica().read(manifestName(id)))?.etag).toBe(before);
    expect((await readVerification(replica(), other))?.state).toBe('verified');
  });

  it('copies tombstones of snapshots that were removed before they were copied', async () => {
    const ids = await days(store(), 4);
    await pruneIn({ store: store(), settings: { keepLast: 3 } });
    await pruneIn({ store: store(), settings: { keepLast: 2 } });
    await copy();
    expect(await listed(replica())).toEqual(ids.slice(0, 2));
    expect(await findingsOf(replica(), noon(), ids[0] ?? '')).toEqual([]);
  });

  it('does not copy snapshots that the second store has pruned, nor remove those that the first has pruned', async () => {
    const ids = await days(store(), 4);
    await copy();
    await pruneIn({ store: store(), settings: { keepLast: 1 } });
    expect((await listed(replica())).length).toBe(4);
    await pruneIn({ store: replica(), settings: { keepLast: 2 } });
    await copy();
    expect(await listed(replica())).toEqual(ids.slice(0, 2));
    for (const id of ids.slice(0, 2)) expect(await findingsOf(replica(), noon(), id)).toEqual([]);
  });

  it('stops when its time is up, with the newest done first, and continues the next time', async () => {
    const ids = await days(store(), 4);
    const clock = noon();
    const ticking = { ...clock, now: () => (void clock.advance(1), clock.now()) };
    const start = await copy({ deadline: clock.now() + 20 }, replica(), store(), ticking);
    expect(start.left).toBeGreaterThan(0);
    expect(start.behindMs).toBe(0);
    expect(await listed(replica())).toEqual(ids.slice(0, start.copied));
    expect(await namesIn(replica(), 'pruned/')).toEqual([]);
    expect(await copy()).toMatchObject({ snapshots: 4, left: 0 });
  });
});

describe('a second store without time for its replication', () => {
  /** The guard's step, with time for the replication to begin and none to copy anything. */
  function turn() {
    const clock = noon();
    const target = replica();
    const slow = { ...target, list: (prefix: string) => (void clock.advance(60_000), target.list(prefix)) };
    const ports = { clock, log: silentLog(), own: null, signer: UNSIGNED, store: store() };
    const budget = { deadline: clock.now() + 10_000, lastAttempt: true, interrupt: new AbortController().signal };
    return upkeepStep(ports, { replica: () => slow, settings: () => ({ ...TWO }) }, budget);
  }

  it('is a failure of the guard once it is a day behind', async () => {
    await makeSnapshot(store(), { at: daysAgo(5) });
    await copy();
    await makeSnapshot(store(), { at: daysAgo(0) });
    expect(await turn()).toMatchObject({ replica: 'done', left: 1 });
    await makeSnapshot(store(), { at: daysAgo(1) });
    const message = 'The second store has nothing of the last 24 hours: 2 snapshots wait to be copied';
    await expect(turn()).rejects.toMatchObject({ code: 'incomplete', message });
  });
});

describe('a full second store', () => {
  const upkeepInto = (target: ObjectStore, keepLast: number) => {
    const clock = noon();
    const ports = { clock, log: silentLog(), own: null, signer: UNSIGNED, store: store() };
    const budget = { deadline: clock.now() + 600_000, lastAttempt: true, interrupt: new AbortController().signal };
    return upkeepStep(ports, { replica: () => target, settings: () => ({ ...TWO, keepLast }) }, budget);
  };
  const sizeOf = async (at: ObjectStore): Promise<number> => {
    let size = 0;
    for await (const object of at.list('')) size += object.size;
    return size;
  };

  it('is pruned by its own rules, and then gets the new snapshot', async () => {
    const old = await days(store(), 3);
    await copy();
    const full = quotaStore(replica(), (await sizeOf(replica())) + 1_000);
    const newest = await makeSnapshot(store(), { at: new Date(noon().now() - 3_600_000).toISOString() });
    expect(await upkeepInto(full, 1)).toMatchObject({ replica: 'done', copied: 1 });
    expect(await listed(replica())).toEqual([newest]);
    expect(old).not.toContain(newest);
  });

  it('whose rules allow no removal is a failure that names the second store', async () => {
    await days(store(), 2);
    await copy();
    const full = quotaStore(replica(), (await sizeOf(replica())) + 1_000);
    await makeSnapshot(store(), { at: new Date(noon().now() - 3_600_000).toISOString() });
    await expect(upkeepInto(full, 3)).rejects.toMatchObject({
      code: 'store-full',
      message: expect.stringContaining('The second store is still full') as unknown,
      hint: expect.stringContaining('prune --dry-run --replica --env-file .env') as unknown,
    });
  });
});

it('a lease of the second store that cannot be read is ended with --replica', async () => {
  await replica().create('leases/prune.json', Buffer.from('{'));
  const hint: unknown = expect.stringContaining('unlock prune --yes --replica --env-file .env');
  await expect(copy()).rejects.toMatchObject({ code: 'locked', hint });
  const pruning = pruneIn({ store: { ...replica(), isSecond: true } });
  await expect(pruning).rejects.toMatchObject({ code: 'locked', hint });
});

describe.each([
  ['dies before', (at: ObjectStore, call: number): FailingStore => mortalStore(at, call, 'before')],
  ['dies after', (at: ObjectStore, call: number): FailingStore => mortalStore(at, call, 'after')],
  ['meets a failure in', stumblingStore],
])('a replication that %s its n-th call', (_what, fault) => {
  it.each(['first', 'second'])(
    'of the %s store lists nothing there that is not whole, and is completed by the next',
    async (which) => {
      const ids = await days(store(), 2);
      for (let call = 1, made = call; made >= call; call++) {
        const [from, to] = [await memoryCopy(store()), await memoryCopy(replica())];
        const failing = fault(which === 'first' ? from : to, call);
        const ends = which === 'first' ? ([to, failing.store] as const) : ([failing.store, from] as const);
        const clock = noon();
        await copy({}, ends[0], ends[1], clock).catch(() => undefined);
        made = failing.calls();
        await clock.advance(61_000);
        for (const id of await listed(to)) {
          const own = (await findingsOf(to, clock, id)).filter((finding) => finding.includes(`snapshots/${id}`));
          expect(own).toEqual([]);
        }
        expect(await copy({}, to, from, clock)).toMatchObject({ snapshots: 2, damaged: [], conflicts: [] });
        for (const id of ids) expect(await findingsOf(to, clock, id)).toEqual([]);
      }
    },
  );
});
