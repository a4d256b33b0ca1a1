import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { ObjectStore } from '../../lib/ports/index.js';
import { loadSnapshots } from '../../lib/retention/stored.js';
import { acceptSnapshot } from '../../lib/snapshot/accept.js';
import { listEntries } from '../../lib/snapshot/catalog-object.js';
import { assessor, findLatest, inOrder } from '../../lib/snapshot/latest.js';
import { selectSnapshot } from '../../lib/snapshot/select.js';
import { sha256 } from '../../lib/snapshot/manifest.js';
import { folderStore, type FolderStore } from '../support/folder-store.js';
import { openSnapshotBench } from '../support/snapshot-bench.js';
import { makeSnapshot, type MadeOptions } from '../support/made-snapshots.js';
import { trustIn } from '../support/trust.js';

const NOW = Date.parse('2026-11-22T12:00:00Z');
const HOUR = 3_600_000;
const here = { own: sha256('host'), now: NOW };
let folder: FolderStore;
beforeEach(async () => {
  folder = await folderStore();
});
afterEach(() => folder.remove());
const store = (): ObjectStore => folder.store;

/** A snapshot that is dated so many hours ago. */
function made(hours: number, fence: number, options: Partial<MadeOptions> = {}): Promise<string> {
  const at = new Date(NOW - hours * HOUR).toISOString();
  return makeSnapshot(store(), { at, fence, series: 'first', ...options });
}

async function latest(now = NOW): Promise<string | undefined> {
  return (await findLatest(trustIn(store(), { ...here, now }))).entry?.id;
}

async function latestAt(hours: number): Promise<string | undefined> {
  return (await findLatest(trustIn(store(), here), NOW - hours * HOUR)).entry?.id;
}

/** In the order of the ids, newest first. */
async function states(now = NOW): Promise<string[]> {
  const context = trustIn(store(), { ...here, now });
  const entries = await listEntries(context);
  const assessed = await assessor(context, entries);
  return entries.map((entry) => assessed(entry).state);
}

describe('a snapshot by a clock that was behind', () => {
  it('makes no good snapshot future, is latest as long as nothing came after it, and is no younger than it says', async () => {
    for (const [n, hours] of [96, 72, 48, 24].entries()) await made(hours, 2 * n + 1);
    const behind = await made(73, 9);
    expect(await latest()).toBe(behind);
    expect(await states()).toEqual(['trusted', 'trusted', 'trusted', 'trusted', 'trusted']);
    expect((await findLatest(trustIn(store(), here))).begun).toBe(NOW - 73 * HOUR);
    const healed = await made(0, 11);
    expect(await latest()).toBe(healed);
    expect(new Set(await states())).toEqual(new Set(['trusted']));
  });

  it('is not taken for a time before it was taken', async () => {
    const days = [await made(96, 1), await made(72, 3), await made(48, 5), await made(24, 7)];
    const behind = await made(73, 9);
    expect([await latestAt(80), await latestAt(60), await latestAt(40), await latestAt(10)]).toEqual(days);
    await made(1, 11);
    expect([await latestAt(80), await latestAt(60), await latestAt(40), await latestAt(10)]).toEqual(days);
    expect(await latestAt(0.5)).not.toBe(behind);
  });

  it('is not taken for a time before it was taken, where one snapshot alone contradicts it', async () => {
    await made(48, 1);
    const good = await made(24, 3);
    await made(30, 5);
    expect(await latestAt(10)).toBe(good);
    await made(0.5, 7);
    expect(await latestAt(10)).toBe(good);
  });

  it('of another database in the store changes nothing', async () => {
    const [, , own] = [await made(72, 1), await made(48, 3), await made(24, 5)];
    await made(73, 7, { source: sha256('other') });
    expect(await latest()).toBe(own);
    expect((await findLatest(trustIn(store(), here))).begun).toBe(NOW - 24 * HOUR);
  });
});

describe('a snapshot by a clock that was ahead', () => {
  it('is future once its date has come, as soon as another followed it', async () => {
    await made(72, 1);
    await made(48, 3);
    const ahead = await made(-6, 5);
    const next = await made(24, 7);
    const later = NOW + 8 * HOUR;
    expect(await latest()).toBe(next);
    expect(await latest(later)).toBe(next);
    expect((await states(later))[0]).toBe('future');
    expect((await findLatest(trustIn(store(), { ...here, now: later }))).passedOver.map(({ id }) => id)).toEqual([
      ahead,
    ]);
  });

  it('takes no other with it where its clock had been ahead for days', async () => {
    for (const [n, hours] of [70, 46, 22, -2].entries()) await made(hours, n + 1);
    const [right] = [await made(26, 5)];
    expect(await latest()).toBe(right);
    const next = await made(2, 6);
    expect(await latest()).toBe(next);
    expect(await latest(NOW + 4 * HOUR)).toBe(next);
  });
});

describe('what is said of snapshots by a clock that was ahead', () => {
  const later = NOW + 8 * HOUR;
  const trust = () => trustIn(store(), { ...here, now: later });
  const madeAhead = async (): Promise<string[]> => [
    await made(72, 1),
    await made(48, 2),
    await made(-6, 3),
    await made(24, 4),
    await made(0, 5),
  ];

  it('is the same for a prune, for an acceptance and for the order of a search', async () => {
    const ids = await madeAhead();
    const ahead = ids[2] ?? '';
    const { listed } = await loadSnapshots(trust());
    expect(listed.find(({ id }) => id === ahead)?.state).toBe('future');
    const entries = await listEntries(trust());
    expect((await inOrder(trust(), entries)).map(({ id }) => id)).toEqual(ids);
    const accepted = acceptSnapshot(trust(), ahead, { by: 'ops', reason: 'x' });
    await expect(accepted).rejects.toMatchObject({ message: expect.stringContaining('is future') as unknown });
  });

  it('a search has one that was behind in the place of its number', async () => {
    const ids = [await made(72, 1), await made(48, 2), await made(24, 3), await made(60, 4), await made(1, 5)];
    expect((await inOrder(trust(), await listEntries(trust()))).map(({ id }) => id)).toEqual(ids);
  });
});

it('a time before an acceptance has what was latest then', async () => {
  const good = await made(48, 1);
  const doubtful = await made(24, 2, { doubts: [{ code: 'shrunk', detail: 'it has 1 keys, there were 4' }] });
  await acceptSnapshot(trustIn(store(), here), doubtful, { by: 'ops', reason: 'meant to be so' });
  expect(await latest()).toBe(doubtful);
  expect(await latestAt(0)).toBe(doubtful);
  expect(await latestAt(12)).toBe(good);
  await expect(selectSnapshot(trustIn(store(), here), 'latest', NOW - 90 * HOUR)).rejects.toMatchObject({
    hint: expect.stringContaining('snapshots list') as unknown,
  });
});

describe('snapshots of several counts', () => {
  it.each([
    ['a count that began again', 'first', 'second'],
    ['one that older versions counted, and one of now', undefined, 'second'],
  ])('are ordered by their dates: %s', async (_, before, after) => {
    const count = before === undefined ? {} : { series: before };
    for (const [n, hours] of [96, 72, 48].entries()) {
      const at = new Date(NOW - hours * HOUR).toISOString();
      await makeSnapshot(store(), { at, fence: 100 + n, ...count });
    }
    await made(24, 1, { series: after });
    const newest = await made(1, 3, { series: after });
    expect(await latest()).toBe(newest);
    expect(new Set(await states())).toEqual(new Set(['trusted']));
  });
});

it('a manifest names the place of its run, in one count for all runs of a store', async () => {
  const bench = await openSnapshotBench();
  try {
    const [first, second] = [await bench.takeWhole(), await bench.takeWhole()];
    expect(first.manifest.order).toEqual({ series: first.run.series, fence: first.run.firstFence });
    expect(second.manifest.order?.series).toBe(first.run.series);
    expect(second.manifest.order?.fence).toBeGreaterThan(first.run.fence);
  } finally {
    await bench.stop();
  }
});
