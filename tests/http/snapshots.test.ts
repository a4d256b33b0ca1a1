import { makeSnapshot, UNSIGNED } from '../support/made-snapshots.js';
import { folderStore } from '../support/folder-store.js';
import { systemClock } from '../../lib/services/clock.js';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { silentLog } from '../../lib/app/in-process.js';
import { withErrorResponse } from '../../lib/http/responses.js';
import { showSnapshots } from '../../lib/http/snapshots.js';
import type { ObjectStore } from '../../lib/ports/store.js';
import { timeOfId } from '../../lib/runs/ids.js';
import { openSnapshotBench, type SnapshotBench } from '../support/snapshot-bench.js';

interface Answer {
  readonly status: number;
  readonly snapshots: Record<string, unknown>[];
  readonly more: boolean;
}

describe('GET /api/snapshots', () => {
  let bench: SnapshotBench;
  const ids: string[] = [];
  const read: string[] = [];
  /** File name of a part of the second snapshot. */
  let third = '';
  beforeAll(async () => {
    bench = await openSnapshotBench();
    await bench.database.redis.set('feedback:p:1', 'v');
    for (let at = 0; at < 4; at++) {
      const { id, manifest } = await bench.takeWhole();
      ids.unshift(id);
      if (at === 1) third = manifest.parts[0]?.name ?? '';
    }
    const { store } = bench.folder;
    for (const id of ['20200101T000000Z-000000', '29200101T000000Z-000000'])
      await store.create(`snapshots/${id}/part-00000-00001.jsonl.gz`, Buffer.from('left over'));
  });
  afterAll(() => bench.stop());

  async function ask(query = ''): Promise<Answer> {
    const { store } = bench.folder;
    const counted: ObjectStore = {
      ...store,
      read: (name) => (name.startsWith('runs/') || read.push(name), store.read(name)),
    };
    read.length = 0;
    const log = silentLog();
    const request = new Request(`http://127.0.0.1/api/snapshots${query}`);
    const answer = await withErrorResponse(log, () =>
      showSnapshots({ clock: bench.clock, log, signer: UNSIGNED, store: counted }, request),
    );
    return { status: answer.status, ...((await answer.json()) as Omit<Answer, 'status'>) };
  }
  const manifests = (): number => read.filter((name) => name.endsWith('/manifest.json')).length;
  const idsIn = ({ snapshots }: Answer): unknown[] => snapshots.map(({ id }) => id);

  it('lists them newest first, with the fields of the manifest', async () => {
    const answer = await ask();
    expect([answer.status, answer.more, idsIn(answer)]).toEqual([200, false, ids]);
    expect(answer.snapshots[0]).toEqual({
      id: ids[0],
      state: 'complete',
      purpose: 'backup',
      trust: 'trusted',
      reasons: [],
      source: expect.stringMatching(/^[0-9a-f]{8}$/),
      label: null,
      own: null,
      verification: { state: 'verified', at: expect.any(String), depth: 'lines' },
      keys: 1,
      parts: 1,
      plainBytes: expect.any(Number),
      storedBytes: expect.any(Number),
      failed: 0,
      unsupported: 0,
      unexplained: 0,
      encrypted: false,
      createdAt: expect.any(String),
      window: { from: expect.any(String), to: expect.any(String) },
      readBackAt: expect.any(String),
      kept: ['newest-verified', 'last', 'within', 'daily', 'weekly', 'monthly'],
      goesAt: expect.any(String),
      pinned: false,
    });
  });

  it.each([
    [1, true],
    [2, true],
    [3, true],
    [4, false],
    [5, false],
  ])('returns at most %d, and whether there are older ones: %s', async (limit, more) => {
    const answer = await ask(`?limit=${limit}`);
    expect([idsIn(answer), answer.more]).toEqual([ids.slice(0, limit), more]);
  });

  it('reads no manifest that the catalogue has, and writes a missing catalogue', async () => {
    await ask();
    expect(read).toEqual(['catalog.json', 'guard/pins.json']);
    await bench.folder.store.remove('catalog.json');
    await ask('?limit=2');
    expect(manifests()).toBe(4);
    await ask();
    expect(read).toEqual(['catalog.json', 'guard/pins.json']);
  });

  it('does not list the objects of an unfinished snapshot', async () => {
    expect((await ask('?limit=4')).more).toBe(false);
  });

  it.each(['0', '-1', '501', '1.5', 'all', '', '1e2'])('refuses the limit %j', async (limit) => {
    expect(await ask(`?limit=${limit}`)).toMatchObject({ status: 422, code: 'invalid' });
  });

  it('distinguishes an unreadable, a damaged and an unverified snapshot', async () => {
    const home = (at: number): string => join(bench.folder.folder, 'snapshots', ids[at] ?? '');
    await writeFile(join(home(0), 'manifest.json'), '{"formatVersion":1');
    await rm(join(home(1), 'verification.json'));
    await writeFile(join(home(2), third), 'other bytes');
    await bench.verify(ids[2] ?? '');
    const { snapshots } = await ask();
    expect(snapshots.slice(0, 3)).toMatchObject([
      { id: ids[0], state: 'unreadable', purpose: null, keys: null, storedBytes: null, window: null, encrypted: null },
      { id: ids[1], state: 'complete', verification: null },
      { id: ids[2], state: 'complete', verification: { state: 'damaged' } },
    ]);
    expect(Date.parse(String(snapshots[0]?.['createdAt']))).toBe(timeOfId(ids[0] ?? ''));
  });
});

it('has no number of unexplained keys if the names were scanned only once', async () => {
  const clock = systemClock();
  const folder = await folderStore(clock);
  const { store } = folder;
  const log = silentLog();
  await makeSnapshot(store, { at: '2026-11-22T02:00:00Z' });
  const request = new Request('http://127.0.0.1/api/snapshots');
  const answer = await showSnapshots({ clock, log, signer: UNSIGNED, store }, request);
  expect(await answer.json()).toMatchObject({ snapshots: [{ failed: 0, unexplained: null }] });
  await folder.remove();
});
