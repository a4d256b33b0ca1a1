import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { createHash } from 'node:crypto';
import fc from '../support/fast-check.js';
import { silentLog } from '../../lib/app/in-process.js';
import { AppError } from '../../lib/errors.js';
import { recordRun, useWebhookId } from '../../lib/http/restore.js';
import type { Log, ObjectStore } from '../../lib/ports/index.js';
import { folderStore, type FolderStore } from '../support/folder-store.js';
import { manualClock } from '../support/clocks.js';

const RUN = '20261122T020000Z-00abcd';

let folder: FolderStore;
beforeEach(async () => (folder = await folderStore()));
afterEach(() => folder.remove());

const portsOver = (store: ObjectStore, log: Log = silentLog()) => ({ clock: manualClock(), log, store });
const use = (id: string, store = folder.store) => useWebhookId(portsOver(store), id);

async function names(): Promise<string[]> {
  const all: string[] = [];
  for await (const { name } of folder.store.list('')) all.push(name);
  return all;
}

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');
const replayed = (words: string): object =>
  expect.objectContaining({ code: 'replayed', message: expect.stringContaining(words) });

describe('a used webhook id', () => {
  it('is stored under a hash, since it may name a project, with the time', async () => {
    await use('msg_2Lh9-x');
    const name = `webhooks/sha256-${sha256('msg_2Lh9-x')}.json`;
    expect(await names()).toEqual([name]);
    const found = await folder.store.read(name);
    expect(JSON.parse(found?.body.toString() ?? '')).toMatchObject({ usedAt: '2026-11-22T02:00:00.000Z', run: null });
  });

  it.each(['../../runs/x', 'a/b', 'a:b', '..', 'x'.repeat(65), 'ä'])('is hashed whatever it is: %j', async (id) => {
    await use(id);
    expect(await names()).toEqual([`webhooks/sha256-${sha256(id)}.json`]);
  });

  it('has a different name for every id, also for one that looks like a hash', async () => {
    const ids = fc.uniqueArray(fc.oneof(fc.string(), fc.stringMatching(/^[a-zA-Z0-9_-]{1,70}$/)), { maxLength: 5 });
    await fc.assert(
      fc.asyncProperty(ids, async (some) => {
        const own = await folderStore();
        try {
          for (const id of some.flatMap((text) => [text, `sha256-${sha256(text)}`])) {
            await use(id, own.store);
          }
        } finally {
          await own.remove();
        }
      }),
      { numRuns: 15 },
    );
  });

  it('is refused the second time, with the run if it is recorded', async () => {
    const first = await use('a');
    await expect(use('a')).rejects.toEqual(replayed('no run is recorded'));
    await recordRun(portsOver(folder.store), first, RUN);
    await expect(use('a')).rejects.toEqual(replayed(RUN));
  });

  it('is granted to one of many concurrent requests', async () => {
    const outcomes = await Promise.allSettled(Array.from({ length: 12 }, () => use('a')));
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
  });

  it("is granted to the request that lost the store's answer, and to no other", async () => {
    let lose = true;
    const forgetful: ObjectStore = {
      ...folder.store,
      async create(name, body) {
        const outcome = await folder.store.create(name, body);
        if (!lose) return outcome;
        lose = false;
        return folder.store.create(name, body);
      },
    };
    await use('a', forgetful);
    await expect(use('a', forgetful)).rejects.toEqual(replayed('no run is recorded'));
  });

  it('is refused also if its object is unreadable', async () => {
    await folder.store.create(`webhooks/sha256-${sha256('a')}.json`, Buffer.from('cut off {'));
    await expect(use('a')).rejects.toEqual(replayed('no run is recorded'));
  });

  it('fails if the store is down, rather than accept the request', async () => {
    const down: ObjectStore = {
      ...folder.store,
      create: () => Promise.reject(new AppError('store-unavailable', 'Down', { hint: 'Wait.', transient: true })),
    };
    await expect(use('a', down)).rejects.toMatchObject({ code: 'store-unavailable' });
  });

  it('does not fail if its run cannot be recorded, but logs it', async () => {
    const warned: unknown[] = [];
    const log: Log = { ...silentLog(), warn: (event, fields) => warned.push([event, fields]) };
    const swap = () => Promise.reject(new AppError('store-unavailable', 'Down', { hint: 'Wait.', transient: true }));
    const first = await use('a');
    await recordRun(portsOver({ ...folder.store, swap }, log), first, RUN);
    expect(warned).toEqual([['webhook-run-not-noted', { run: RUN, code: 'store-unavailable' }]]);
  });
});
