import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { isRepetition } from '../../lib/monitoring/guard/steps.js';
import { recoveryPoint } from '../../lib/monitoring/objectives.js';
import { folderStore, type FolderStore } from '../support/folder-store.js';
import { makeSnapshot } from '../support/made-snapshots.js';
import { trustIn } from '../support/trust.js';
import { NOW, writeRun, type RunOptions } from '../retention/prune/bench.js';

const HOUR_MS = 3_600_000;

describe('whether the guard waits before it takes another snapshot', () => {
  let folder: FolderStore;
  beforeEach(async () => {
    folder = await folderStore();
  });
  afterEach(() => folder.remove());

  const ago = (hours: number): string => new Date(NOW - hours * HOUR_MS).toISOString();
  const failed = (hours: number, rest: RunOptions = { phase: 'check' }) =>
    writeRun(folder.store, { state: 'failed', ...rest, daysAgo: hours / 24 });
  const waits = async (): Promise<boolean> => {
    const context = trustIn(folder.store, { now: NOW });
    return isRepetition(context, await recoveryPoint(context));
  };

  it('an hour after a run that failed when the database was read, two after two', async () => {
    await makeSnapshot(folder.store, { at: ago(30) });
    expect(await waits()).toBe(false);
    await failed(1.5);
    expect(await waits()).toBe(false);
    await failed(0.5);
    expect(await waits()).toBe(true);
  });

  it('up to the usual 8 hours after many, and without any good snapshot', async () => {
    for (let hours = 60; hours > 7; hours -= 6) await failed(hours);
    await failed(7);
    expect(await waits()).toBe(true);
  });

  it('counts a doubtful or incomplete snapshot and a failed run alike', async () => {
    await makeSnapshot(folder.store, { at: ago(30) });
    await failed(2.5);
    await makeSnapshot(folder.store, { at: ago(1.5), state: 'incomplete' });
    expect(await waits()).toBe(true);
  });

  it.each<[string, RunOptions]>([
    ['failed before it had read a key', { phase: 'scan' }],
    ['was stopped by its operator', { phase: 'check', error: { code: 'cancelled', message: 'x', hint: 'x' } }],
    ['is no snapshot', { phase: 'check', kind: 'verify' }],
    ['succeeded', { phase: 'seal', state: 'succeeded' }],
  ])('does not count a run that %s', async (_what, run) => {
    await makeSnapshot(folder.store, { at: ago(30) });
    await failed(0.5, run);
    expect(await waits()).toBe(false);
  });

  it('does not count runs before the newest good snapshot', async () => {
    await failed(11);
    await failed(10);
    await makeSnapshot(folder.store, { at: ago(9) });
    await failed(1.5);
    expect(await waits()).toBe(false);
  });
});
