import { afterAll, beforeAll, beforeEach, describe, expect, it, afterEach } from '@jest/globals';
import { AppError } from '../../lib/errors.js';
import type { RedisCommand, RedisPort } from '../../lib/ports/redis.js';
import { cancelRun } from '../../lib/runs/engine.js';
import type { RunRecord } from '../../lib/runs/model.js';
import { sourceOf } from '../../lib/snapshot/source.js';
import { unfinishedOf } from '../../lib/snapshot/unfinished-marks.js';
import type { ObjectStore } from '../../lib/ports/store.js';
import { intercept } from '../snapshot/intercept.js';
import { openRestoreBench, NOW, unreachable, type Ask, type RestoreBench } from '../support/restore-bench.js';
import { openTransferBench, type TransferBench } from '../transfer/transfer-bench.js';

describe('the record of a restore that broke off', () => {
  let bench: RestoreBench;
  let snapshot = '';
  beforeAll(async () => {
    bench = await openRestoreBench();
    await bench.database.redis.hset('project:p1', 'id', 'p1');
    await bench.database.redis.mset('feedback:external:p1:a:b', 'x', 'value', 'old');
    snapshot = (await bench.snapshot()).id;
  });
  afterAll(() => bench.stop());
  beforeEach(() => bench.database.redis.set('value', 'new'));

  const marks = async () => (await unfinishedOf(bench.folder.store, sourceOf(bench.port.host))).map(({ run }) => run);
  const isLock = ([name, key]: RedisCommand): boolean => name === 'SET' && String(key).startsWith('cluster:lock:');
  const isWrite = ([name]: RedisCommand): boolean => name === 'MSET';

  /** A restore to which something happens before the database is sent a command of a kind. */
  async function brokenOff(
    at: (command: RedisCommand) => boolean,
    act: (run: string, stop: AbortController) => unknown,
    ask: Ask = {},
  ): Promise<RunRecord> {
    const stop = new AbortController();
    let [run, done] = ['', false];
    const redis = intercept(bench.port, {
      async before(commands) {
        if (done || run === '' || !commands.some(at)) return null;
        done = true;
        await act(run, stop);
        return null;
      },
    });
    const parts = { redis, interrupt: stop.signal, inline: 1 };
    const started = await bench.start(snapshot, ask, parts);
    if (started.started) run = started.run.id;
    const ended = await bench.work(run, parts);
    expect(done).toBe(true);
    return ended;
  }
  const interrupt = (_run: string, stop: AbortController): void =>
    stop.abort(new AppError('interrupted', 'told to stop', { hint: 'None.' }));
  const cancel = (run: string) => cancelRun(bench.engine(), run);

  it.each([
    ['interrupted', interrupt],
    ['cancelled', cancel],
  ])('by being %s while it wrote names the command that finishes it and the one that undoes it', async (code, act) => {
    const run = await brokenOff(isWrite, act);
    expect(run).toMatchObject({ state: 'failed', error: { code } });
    expect(run.error?.hint).toContain('the data are partly old and partly restored');
    expect(run.error?.hint).toContain(`\`npx soulcaster-backup restore ${snapshot} --env-file .env --no-settle\``);
    expect(run.error?.hint).toContain(`To undo it: \`npx soulcaster-backup restore ${run.id} --env-file .env\``);
    expect(run.error?.hint).not.toMatch(/nothing half-done|soulcaster-backup run/);
    expect(await marks()).toContain(run.id);
    await bench.restore(snapshot);
    expect(await marks()).toEqual([]);
  });

  it('says that nothing undoes it where nothing was saved', async () => {
    const run = await brokenOff(isWrite, interrupt, { safety: false });
    expect(run.error?.hint).toContain('To undo it: not possible: the previous state was not saved (--no-safety)');
    await bench.restore(snapshot);
  });

  it.each([
    ['interrupted', interrupt],
    ['cancelled', cancel],
  ])('by being %s while it took the locks tells of nothing, and the database is not marked', async (code, act) => {
    const run = await brokenOff(isLock, act, { scope: { project: 'p1' } });
    expect(run).toMatchObject({ state: 'failed', phase: 'fence', error: { code } });
    expect(run.error?.hint).not.toContain('partly old');
    expect(await marks()).toEqual([]);
    expect((await bench.snapshot()).doubts ?? []).toEqual([]);
  });
});

const HOUR = 3_600_000;
const WRITES = ['SET', 'MSET', 'MSETNX', 'HSET', 'RENAME', 'RENAMENX'];
/** What is tried on keys that nobody has writes no data. */
const NO_DATA = /lock|:absent:/;

describe('a database that loses its keys between their proof and the end of the restore', () => {
  let bench: RestoreBench;
  let snapshot = '';
  beforeAll(async () => {
    bench = await openRestoreBench();
    const { redis } = bench.database;
    await redis.hset('project:p', { id: 'p', user_id: 'u' });
    await redis.mset('text', 'as it was', 'other', 'as it was');
    await redis.set('brief', 'v', 'PXAT', NOW + 2 * HOUR);
    snapshot = (await bench.snapshot()).id;
  });
  afterAll(() => bench.stop());
  beforeEach(() => bench.database.redis.flushall());

  /** Acts once, after every key was compared and before the first walk or count that follows. */
  function afterProof(act: () => Promise<unknown>): RedisPort {
    let [wrote, proving, done] = [false, false, false];
    return intercept(bench.port, {
      before: async (commands) => {
        const names = commands.map(([name]) => name);
        wrote ||= commands.some(([name, key]) => WRITES.includes(name) && !NO_DATA.test(String(key)));
        proving ||= wrote && names.includes('HPEXPIRETIME');
        if (done || !proving || !names.some((name) => name === 'SCAN' || name === 'DBSIZE')) return null;
        done = true;
        await act();
        return null;
      },
    });
  }

  const marks = async (host: string): Promise<string[]> =>
    (await unfinishedOf(bench.folder.store, sourceOf(host))).map(({ run }) => run);

  it.each<[string, Ask]>([
    ['everything', {}],
    ['one project', { scope: { project: 'p' } }],
    ['everything, mode merge', { mode: 'merge' }],
    ['everything, mode missing', { mode: 'missing' }],
    ['everything, without a safety snapshot', { safety: false }],
    ['a target', { target: 'standby' }],
  ])('is not reported as restored, and stays marked: %s', async (_what, ask) => {
    const redis = afterProof(() => bench.database.redis.flushall());
    const standby = { ...redis, host: 'standby.example' };
    const main = ask.target === undefined ? redis : unreachable(bench.port);
    const run = await bench.restore(snapshot, ask, { redis: main, targets: { standby } });
    expect(run).toMatchObject({ state: 'failed', error: { code: 'not-proven' } });
    expect(run.error?.message).toContain('it holds 0, and at least');
    expect(run.result).toMatchObject({ gone: { there: 0 }, proof: { total: { missing: 0, different: 0 } } });
    expect(await marks(ask.target === 'standby' ? standby.host : bench.port.host)).toContain(run.id);
  });

  it('may lose keys that expire soon', async () => {
    const redis = afterProof(() => bench.database.redis.del('brief'));
    const run = await bench.restore(snapshot, {}, { redis });
    expect(run).toMatchObject({ state: 'succeeded', error: null, result: { gone: null } });
  });

  it('is detected when every key has a distant expiry', async () => {
    await bench.database.redis.set('session', 'v', 'PXAT', NOW + 240 * HOUR);
    const sessions = (await bench.snapshot()).id;
    await bench.database.redis.flushall();
    const redis = afterProof(() => bench.database.redis.flushall());
    const run = await bench.restore(sessions, {}, { redis });
    expect(run).toMatchObject({ state: 'failed', error: { code: 'not-proven' }, result: { gone: { proven: 1 } } });
  });
});

describe('the working objects of a restore', () => {
  let bench: RestoreBench;
  beforeEach(async () => {
    bench = await openRestoreBench();
  });
  afterEach(() => bench.stop());

  it('a restore that lost the index of removable keys fails instead of leaving them', async () => {
    const { redis } = bench.database;
    await redis.set('a', '1');
    const { id } = await bench.snapshot();
    await redis.mset('b', '2', 'c', '3');
    let removing = false;
    const store: ObjectStore = {
      ...bench.folder.store,
      swap(name, body, etag) {
        removing ||= /"phase": ?"remove"/.test(Buffer.from(body).toString());
        return bench.folder.store.swap(name, body, etag);
      },
      read: async (name) => (removing && /^runs\/.*\/parts\/part-/.test(name) ? null : bench.folder.store.read(name)),
    };
    const run = await bench.restore(id, {}, { store });
    expect(run).toMatchObject({ state: 'failed', error: { code: 'damaged' } });
    expect(run.error?.message).toContain('/parts/part-');
    expect(await unfinishedOf(bench.folder.store, sourceOf(bench.port.host))).toMatchObject([{ run: run.id }]);
    expect(await bench.restore(id)).toMatchObject({ state: 'succeeded', result: { removed: 2, extras: 0 } });
  });
});

describe('a restore of a file that broke off', () => {
  let bench: TransferBench;
  beforeEach(async () => {
    bench = await openTransferBench();
  });
  afterEach(() => bench.stop());

  const marks = async () => (await unfinishedOf(bench.folder.store, sourceOf(bench.port.host))).map(({ run }) => run);
  const refusing = () =>
    intercept(bench.port, {
      before: (commands) =>
        commands.some(([name]) => ['SET', 'MSET'].includes(name))
          ? Promise.reject(new AppError('redis-denied', 'refused', { hint: 'none' }))
          : Promise.resolve(null),
    });
  const lines = (...entries: readonly object[]): string =>
    entries.map((entry) => `${JSON.stringify({ ttl: -1, type: 'string', size: 1, ...entry })}\n`).join('');

  it.each(['merge', 'missing'] as const)('is finished by the same file, in mode %s', async (mode) => {
    const path = await bench.file('dump', lines({ db: 0, key: 'key', value: 'v' }));
    const broken = await bench.restoreFile(path, {}, { mode }, { redis: refusing() });
    expect(await marks()).toEqual([broken.id]);
    const other = await bench.file('other', lines({ db: 0, key: 'another', value: 'v' }));
    expect((await bench.restoreFile(other, {}, { mode })).state).toBe('succeeded');
    expect(await marks()).toEqual([broken.id]);
    expect((await bench.restoreFile(path, {}, { mode })).state).toBe('succeeded');
    expect(await marks()).toEqual([]);
  });

  it('is not finished by another database of the same file', async () => {
    const entries = [1, 2].map((db) => ({ db, key: `key:${db}`, value: 'v' }));
    const path = await bench.file('dump', lines(...entries));
    const broken = await bench.restoreFile(path, { database: 1 }, { mode: 'merge' }, { redis: refusing() });
    await bench.restoreFile(path, { database: 2 }, { mode: 'merge' });
    expect(await marks()).toEqual([broken.id]);
    await bench.restoreFile(path, { database: 1 }, { mode: 'merge' });
    expect(await marks()).toEqual([]);
  });
});
