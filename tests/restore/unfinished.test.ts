import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { AppError } from '../../lib/errors.js';
import type { RedisPort } from '../../lib/ports/redis.js';
import { acceptSnapshot } from '../../lib/snapshot/accept.js';
import { loadManifest } from '../../lib/snapshot/manifest.js';
import { startSnapshot } from '../../lib/snapshot/run.js';
import { sourceOf } from '../../lib/snapshot/source.js';
import { unfinishedOf } from '../../lib/snapshot/unfinished-marks.js';
import { cancelRun } from '../../lib/runs/cancel.js';
import type { RunRecord } from '../../lib/runs/model.js';
import { openRestoreBench, type RestoreBench } from '../support/restore-bench.js';
import { TIMES } from '../support/snapshot-bench.js';
import { latestIn, stateIn, trustIn } from '../support/trust.js';

const KEYS = 400;
let bench: RestoreBench;
let own: string;
beforeEach(async () => {
  bench = await openRestoreBench();
  own = sourceOf(bench.port.host);
  await fill();
});
afterEach(() => bench.stop());

async function fill(): Promise<void> {
  const { redis } = bench.database;
  await redis.mset(Object.fromEntries(Array.from({ length: KEYS }, (_, n) => [`key:${n}`, `value ${n}`])));
  await redis.hset('project:p1', { id: 'p1', user_id: 'u1' });
}

const refuse = (): Promise<never> => {
  throw new AppError('redis-denied', 'refused by the test', { hint: 'none' });
};

/** The database, until the restore begins to write data: then it refuses. */
function refusing(atWrite: () => Promise<never> = refuse): RedisPort {
  const isWrite = (commands: readonly (readonly unknown[])[]): boolean =>
    commands.some(
      ([name, key]) =>
        ['SET', 'MSET', 'HSET', 'RENAME', 'DEL', 'UNLINK'].includes(String(name)) && !String(key).includes('lock'),
    );
  return {
    host: bench.port.host,
    usage: () => bench.port.usage(),
    pipeline: (commands) => (isWrite(commands) ? atWrite() : bench.port.pipeline(commands)),
    transaction: (commands) => (isWrite(commands) ? atWrite() : bench.port.transaction(commands)),
  };
}

async function backup(): Promise<RunRecord> {
  bench.clock.advance(1000);
  const started = await startSnapshot(bench.engine(), 'cli');
  if (!started.started) throw new Error(`held by ${started.holder}`);
  return bench.work(started.run.id);
}

const latest = (): Promise<string | null> => latestIn(bench.folder.store, { own });
const locks = (): Promise<string[]> => bench.database.redis.keys('cluster:lock:*');
const marks = async (source = own): Promise<string[]> =>
  (await unfinishedOf(bench.folder.store, source)).map(({ run }) => run);

describe('a restore that broke off while it wrote', () => {
  it('leaves a mark, and the snapshot that is taken then is doubtful until the restore is done', async () => {
    const good = await bench.snapshot();
    await bench.database.redis.del('key:1', 'key:2', 'key:3');
    const broken = await bench.restore(good.id, {}, { redis: refusing() });
    expect(broken.state).toBe('failed');
    expect(await marks()).toEqual([broken.id]);
    expect(await locks()).toEqual([]);

    const run = await backup();
    expect(run).toMatchObject({ state: 'succeeded', error: { code: 'doubtful' } });
    expect(run.error?.hint).toContain(`snapshots accept ${run.id}`);
    expect(await stateIn(bench.folder.store, run.id, { own })).toBe('doubtful');
    expect(await latest()).toBe(good.id);

    const again = await bench.restore(good.id);
    expect(again.state).toBe('succeeded');
    expect(await marks()).toEqual([]);
    const after = await backup();
    expect(after.error).toBeNull();
    expect(await latest()).toBe(after.id);
  });

  it.each(['displaced by a backup', 'cancelled'] as const)(
    'since its function was killed over the queue, %s, leaves the same',
    async (how) => {
      const good = await bench.snapshot();
      await bench.database.redis.del('key:1', 'key:2', 'key:3');
      let died = (): void => undefined;
      const death = new Promise<void>((resolve) => (died = resolve));
      const mortal = { inline: 0, redis: refusing(() => (died(), new Promise<never>(() => undefined))) };
      const started = await bench.start(good.id, {}, mortal);
      const id = started.started ? started.run.id : '';
      void bench.work(id, mortal);
      await death;
      expect(await locks()).toEqual(['cluster:lock:p1']);
      await expect(backup()).rejects.toThrow(`held by ${id}`);
      if (how === 'cancelled') await cancelRun(bench.engine(), id);
      else bench.clock.advance(TIMES.holdMs);

      const run = await backup();
      expect(run).toMatchObject({ state: 'succeeded', error: { code: 'doubtful' } });
      expect([await marks(), await locks(), await latest()]).toEqual([[id], [], good.id]);
      expect((await bench.restore(good.id)).state).toBe('succeeded');
      expect((await backup()).error).toBeNull();
    },
  );

  it('is ended by an operator who accepts a snapshot of what there is', async () => {
    const good = await bench.snapshot();
    await bench.database.redis.del('key:1');
    const broken = await bench.restore(good.id, {}, { redis: refusing() });
    const run = await backup();
    const context = trustIn(bench.folder.store, { own });
    const { ended } = await acceptSnapshot(context, run.id, { by: 'me', reason: 'looked at the data' });
    expect(ended).toEqual([broken.id]);
    expect(await latest()).toBe(run.id);
    expect((await backup()).error).toBeNull();
  });

  it('of one project is not ended by one of another, nor by one that only adds what is missing', async () => {
    await bench.database.redis.hset('project:p2', { id: 'p2', user_id: 'u1' });
    const good = await bench.snapshot();
    await bench.database.redis.hset('project:p1', { id: 'other' });
    const broken = await bench.restore(good.id, { scope: { project: 'p1' } }, { redis: refusing() });
    expect(await marks()).toEqual([broken.id]);
    await bench.restore(good.id, { scope: { project: 'p2' } });
    await bench.restore(good.id, { mode: 'missing' });
    expect(await marks()).toEqual([broken.id]);
    await bench.restore(good.id, { scope: { project: 'p1' } });
    expect(await marks()).toEqual([]);
  });

  it('is shown by what the next restore saved: to undo that does not make the database trusted', async () => {
    const good = await bench.snapshot();
    await bench.database.redis.del('key:1');
    const broken = await bench.restore(good.id, {}, { redis: refusing() });
    const whole = await bench.restore(good.id);
    expect([whole.state, await marks()]).toEqual(['succeeded', []]);
    const saved = (await loadManifest(bench.folder.store, whole.id))?.manifest;
    expect(saved?.doubts).toMatchObject([{ code: 'restore-unfinished' }]);
    expect(saved?.doubts?.[0]?.detail).toContain(broken.id);
    expect(await stateIn(bench.folder.store, whole.id, { own })).toBe('safety');

    const plan = await bench.restore(whole.id, { dryRun: true });
    expect(plan.result).toMatchObject({ staysMarked: true });
    const undo = await bench.restore(whole.id);
    expect(undo).toMatchObject({ state: 'succeeded', result: { staysMarked: true } });
    expect(await marks()).toEqual([undo.id]);
    expect((await backup()).error).toMatchObject({ code: 'doubtful' });
    expect(await latest()).toBe(good.id);

    expect((await bench.restore(good.id)).result).toMatchObject({ staysMarked: false });
    expect(await marks()).toEqual([]);
    expect((await backup()).error).toBeNull();
  });

  it('is not ended by a restore of the doubtful snapshot that was taken then, unless that was accepted', async () => {
    const good = await bench.snapshot();
    await bench.database.redis.del('key:1');
    const broken = await bench.restore(good.id, {}, { redis: refusing() });
    const doubtful = await backup();
    const back = await bench.restore(doubtful.id);
    expect(back.state).toBe('succeeded');
    expect(await marks()).toEqual([broken.id, back.id]);
    expect((await backup()).error).toMatchObject({ code: 'doubtful' });

    await acceptSnapshot(trustIn(bench.folder.store, { own }), doubtful.id, { by: 'me', reason: 'looked at it' });
    expect((await bench.restore(doubtful.id)).result).toMatchObject({ staysMarked: false });
    expect(await marks()).toEqual([]);
  });

  it('into another database marks that one, whatever name it is reached under', async () => {
    const good = await bench.snapshot();
    const elsewhere = { ...refusing(), host: 'standby.example' };
    await bench.database.redis.del('key:1');
    const broken = await bench.restore(good.id, { target: 'standby' }, { targets: { standby: elsewhere } });
    expect(broken.state).toBe('failed');
    expect(await marks()).toEqual([]);
    expect(await marks(sourceOf('standby.example'))).toEqual([broken.id]);
    const standby = { ...bench.port, host: 'standby.example' };
    await bench.restore(good.id, { target: 'standby' }, { targets: { standby } });
    expect(await marks(sourceOf('standby.example'))).toEqual([]);
  });

  it('is not what a dry run, or a restore that is done, leaves', async () => {
    const good = await bench.snapshot();
    await bench.database.redis.del('key:1');
    await bench.restore(good.id, { dryRun: true });
    expect(await marks()).toEqual([]);
    await bench.restore(good.id);
    expect(await marks()).toEqual([]);
  });
});

describe('a database that lost its keys', () => {
  it('is saved as doubtful, and the snapshot before stays latest', async () => {
    const good = await bench.snapshot();
    await bench.database.redis.flushall();
    const run = await backup();
    expect(run).toMatchObject({ state: 'succeeded', error: { code: 'doubtful' } });
    expect((await loadManifest(bench.folder.store, run.id))?.manifest.doubts).toMatchObject([{ code: 'shrunk' }]);
    expect(await latest()).toBe(good.id);
    expect((await bench.restore('latest', { confirm: good.id })).state).toBe('succeeded');
    expect((await backup()).error).toBeNull();
  });
});

describe('a snapshot of another database', () => {
  it('is never latest, and is restored only when somebody says that it is meant', async () => {
    const good = await bench.snapshot();
    const staging = { ...bench.port, host: 'staging.example' };
    const foreign = await bench.snapshot({ redis: staging });
    expect(await latest()).toBe(good.id);
    await expect(bench.start(foreign.id)).rejects.toMatchObject({
      code: 'not-confirmed',
      message: expect.stringContaining(bench.port.host) as unknown,
      hint: expect.stringContaining('--from-source') as unknown,
    });
    await expect(bench.start(foreign.id, { dryRun: true })).rejects.toMatchObject({ code: 'not-confirmed' });
    const run = await bench.restore(foreign.id, { dryRun: true, fromSource: true });
    expect(run).toMatchObject({ state: 'succeeded', result: { names: { snapshot: { own: false } } } });
  });
});
