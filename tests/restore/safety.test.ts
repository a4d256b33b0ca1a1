import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { AppError, type ErrorCode } from '../../lib/errors.js';
import type { ObjectStore, RedisPort } from '../../lib/ports/index.js';
import { latestIn, selectedIn } from '../support/trust.js';
import { loadManifest } from '../../lib/snapshot/manifest.js';
import { intercept } from '../snapshot/intercept.js';
import { changes, only, type Dump } from '../support/dumps.js';
import { openRestoreBench, type RestoreBench } from '../support/restore-bench.js';
import { loadProjects, ruin, type Workspace } from './project-data.js';

/** The script that tries on a key which nobody has whether the token may write what is to be written. */
const TRIED = 1;

const noLocks = (dump: Dump): Dump => only(dump, (key) => !key.startsWith('cluster:lock:'));

describe('the safety snapshot of a restore', () => {
  let bench: RestoreBench;
  let data: Workspace;
  let snapshot = '';
  beforeAll(async () => {
    bench = await openRestoreBench();
  });
  afterAll(() => bench.stop());
  beforeEach(async () => {
    data = await loadProjects(bench, { locked: true });
    snapshot = (await bench.snapshot()).id;
    expect((await bench.verify(snapshot)).state).toBe('succeeded');
    await ruin(bench.database.redis, data);
    await bench.database.redis.set('later', 'a stranger');
  });

  it('restores everything as it was before the restore, including in-flight work', async () => {
    const before = await bench.dump();
    const run = await bench.restore(snapshot, { settle: null });
    expect(run).toMatchObject({ state: 'succeeded', result: { undo: run.id } });
    expect(changes(noLocks(before), noLocks(await bench.dump())).length).toBeGreaterThan(10);
    const undone = await bench.restore(run.id, { settle: null });
    expect(undone).toMatchObject({ state: 'succeeded', input: { settle: false } });
    expect(changes(noLocks(before), noLocks(await bench.dump()))).toEqual([]);
    // What undoes can be undone.
    expect(await bench.restore(undone.id, { settle: null })).toMatchObject({ state: 'succeeded' });
    expect(await bench.database.redis.exists('later')).toBe(0);
  });

  it('restores one project, and other changes stay', async () => {
    const { redis } = bench.database;
    const before = await bench.dump();
    const run = await bench.restore(snapshot, { scope: { project: data.project } });
    await redis.set('meanwhile', 'written');
    expect(await bench.restore(run.id, { scope: { project: data.project } })).toMatchObject({ state: 'succeeded' });
    const after = await bench.dump();
    expect(changes(noLocks(before), noLocks(after))).toEqual(['meanwhile']);
  });

  it('is never `latest` or `newest`', async () => {
    const run = await bench.restore(snapshot);
    const { store } = bench.folder;
    expect((await loadManifest(store, run.id))?.manifest).toMatchObject({ purpose: 'safety', state: 'complete' });
    expect((await bench.verify(run.id)).state).toBe('succeeded');
    expect(await selectedIn(store, 'latest')).toBe(snapshot);
    expect(await latestIn(store)).toBe(snapshot);
    const at = new Date(bench.clock.now()).toISOString();
    expect(await bench.restore('latest', { dryRun: true, at })).toMatchObject({ input: { snapshot } });
  });

  it('limits what may be removed: newer keys stay', async () => {
    const { redis } = bench.database;
    let came = false;
    const port = intercept(bench.port, {
      before: async (commands) => {
        if (came || !commands.some(([name, key]) => name === 'SET' && String(key).startsWith('cluster:lock:')))
          return null;
        came = true;
        await redis.mset('after the safety snapshot', '1', `config:sentry:${data.project}:new`, '2');
        return null;
      },
    });
    const run = await bench.restore(snapshot, {}, { redis: port });
    expect(came).toBe(true);
    expect(run).toMatchObject({ state: 'succeeded', result: { extras: 2 } });
    expect(await redis.mget('after the safety snapshot', `config:sentry:${data.project}:new`)).toEqual(['1', '2']);
    expect(await redis.exists('later', 'job:later-job')).toBe(0);
  });

  it('holds what the plan read: a restore reads no key twice before it writes', async () => {
    const reads = new Map<string, number>();
    let isWritten = false;
    const redis = intercept(bench.port, {
      after(commands, replies) {
        isWritten ||= commands.some(([name, key]) => name === 'SET' && String(key).startsWith('cluster:lock:'));
        for (const [at, [name, ...names]] of commands.entries()) {
          const isRead = /^(GET|MGET|HGETALL|LRANGE|SMEMBERS|ZRANGE)$/.test(name) && 'value' in (replies[at] ?? {});
          if (isWritten || !isRead) continue;
          for (const key of names.filter((name) => Buffer.isBuffer(name)))
            reads.set(String(key), (reads.get(String(key)) ?? 0) + 1);
        }
        return replies;
      },
    });
    const before = await bench.dump();
    const run = await bench.restore(snapshot, {}, { redis });
    expect(run.state).toBe('succeeded');
    expect(reads.size).toBeGreaterThan(20);
    expect([...reads].filter(([, times]) => times > 1)).toEqual([]);
    const saved = (await loadManifest(bench.folder.store, run.id))?.manifest;
    expect(saved).toMatchObject({ state: 'complete', counts: { keys: Object.keys(before).length }, doubles: [] });
    expect(saved?.parts.map(({ name }) => name.includes('.t'))).toContain(true);
  });

  it('holds each key once when a task of the plan runs again', async () => {
    let died = 0;
    const store: ObjectStore = {
      ...bench.folder.store,
      create(name, body) {
        if (!name.includes('/tasks/plan-') || died > 0) return bench.folder.store.create(name, body);
        died += 1;
        return Promise.reject(new AppError('store-unavailable', 'no answer', { hint: 'Wait.', transient: true }));
      },
    };
    const before = await bench.dump();
    const started = await bench.start(snapshot, { settle: null });
    if (!started.started) throw new Error(`held by ${started.holder}`);
    await expect(bench.work(started.run.id, { store })).rejects.toMatchObject({ code: 'store-unavailable' });
    bench.clock.advance(3_600_000);
    const run = await bench.work(started.run.id);
    expect(died).toBe(1);
    expect(run.state).toBe('succeeded');
    const saved = (await loadManifest(bench.folder.store, run.id))?.manifest;
    expect(saved).toMatchObject({ state: 'complete', counts: { keys: Object.keys(before).length }, doubles: [] });
    expect((await bench.verify(run.id)).state).toBe('succeeded');
    expect(await bench.restore(run.id, { settle: null })).toMatchObject({ state: 'succeeded' });
    expect(changes(noLocks(before), noLocks(await bench.dump()))).toEqual([]);
  });

  it('is skipped on request, and then everything in the way is removed', async () => {
    const run = await bench.restore(snapshot, { safety: false });
    expect(run).toMatchObject({ state: 'succeeded', result: { undo: 'skipped', extras: 0 } });
    expect(await bench.folder.store.read(`snapshots/${run.id}/manifest.json`)).toBeNull();
    expect(await bench.database.redis.exists('later')).toBe(0);
  });

  it.each<[ErrorCode]>([['store-full'], ['store-denied']])(
    'stops the restore before its first write when it cannot be stored: %s',
    async (code) => {
      const [before, writes] = [await bench.dump(), bench.writes()];
      const run = await bench.restore(snapshot, {}, { store: refusing(bench.folder.store, code) });
      expect(run).toMatchObject({ state: 'failed', error: { code } });
      expect(run.error?.hint).toContain('--no-safety');
      expect(bench.writes()).toBe(writes);
      expect(changes(before, await bench.dump())).toEqual([]);
      const store = refusing(bench.folder.store, code);
      expect(await bench.restore(snapshot, { safety: false }, { store })).toMatchObject({ state: 'succeeded' });
    },
  );

  it('stops the restore before its first write when a key cannot be saved', async () => {
    const writes = bench.writes();
    const redis = unreadable(bench.port, 'later');
    const run = await bench.restore(snapshot, {}, { redis });
    expect(run).toMatchObject({ state: 'failed', error: { code: 'incomplete' } });
    expect(run.error?.message).toContain('Nothing was written');
    expect(run.error?.hint).toContain('--no-safety');
    expect(bench.writes()).toBe(writes + TRIED);
    expect(await bench.restore(snapshot, { safety: false }, { redis })).toMatchObject({ state: 'succeeded' });
  });
});

/** A store in which no part of a snapshot has room. */
function refusing(store: ObjectStore, code: ErrorCode): ObjectStore {
  return {
    ...store,
    create: (name, body) =>
      name.startsWith('snapshots/')
        ? Promise.reject(new AppError(code, 'The store does not take the object', { hint: 'Make room.' }))
        : store.create(name, body),
  };
}

/** A port that cannot show the value of one key. */
function unreadable(port: RedisPort, key: string): RedisPort {
  return intercept(port, {
    after: (commands, replies) =>
      replies.map((reply, at) => {
        const [name, ...args] = commands[at] ?? [''];
        const isIt = args.some((argument) => Buffer.isBuffer(argument) && argument.toString() === key);
        return isIt && /^(GET|MGET|GETRANGE|STRLEN)$/.test(name) ? { error: 'MISCONF no' } : reply;
      }),
  });
}
