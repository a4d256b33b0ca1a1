import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { AppError } from '../../lib/errors.js';
import type { RedisPort } from '../../lib/ports/redis.js';
import { acceptSnapshot } from '../../lib/snapshot/accept.js';
import { loadManifest } from '../../lib/snapshot/manifest.js';
import { projectLabel } from '../../lib/snapshot/counts.js';
import { startSnapshot } from '../../lib/snapshot/run.js';
import { sourceOf } from '../../lib/snapshot/source.js';
import { unfinishedOf } from '../../lib/snapshot/unfinished-marks.js';
import { cancelRun } from '../../lib/runs/engine.js';
import type { RunRecord } from '../../lib/runs/model.js';
import { stumblingStore } from '../support/failing-store.js';
import { folderStore } from '../support/folder-store.js';
import { openRestoreBench, unreachable, type RestoreBench } from '../support/restore-bench.js';
import { TIMES } from '../support/snapshot-bench.js';
import { latestIn, stateIn, trustIn } from '../support/trust.js';

const KEYS = 100;
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

describe('a restore that broke off during the write', () => {
  it('leaves a mark, and snapshots taken then are doubtful until a restore succeeds', async () => {
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
    'leaves the same mark when its queued function was killed, %s',
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

  it('is ended when an operator accepts a snapshot of the current data', async () => {
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

  it.each(['merge', 'missing'] as const)('is not ended by one of another snapshot in mode %s', async (mode) => {
    const good = await bench.snapshot();
    await bench.database.redis.flushall();
    await bench.database.redis.set('key:1', 'value 1');
    const other = await bench.snapshot();
    const broken = await bench.restore(good.id, { mode }, { redis: refusing() });
    expect(await marks()).toEqual([broken.id]);
    expect((await bench.restore(other.id, { mode })).state).toBe('succeeded');
    expect(await marks()).toEqual([broken.id]);
    expect((await bench.restore(good.id, { mode })).state).toBe('succeeded');
    expect(await marks()).toEqual([]);
  });

  it('of one project is not ended by one of another, nor in mode missing', async () => {
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

  it("is recorded in the next restore's safety snapshot: undoing that restore does not make the database trusted", async () => {
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

  it('is not ended by restoring the doubtful snapshot taken then, unless it was accepted', async () => {
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

  it('into another database marks that database, under any target name', async () => {
    const good = await bench.snapshot();
    const elsewhere = { ...refusing(), host: 'standby.example' };
    const redis = unreachable(bench.port);
    await bench.database.redis.del('key:1');
    const broken = await bench.restore(good.id, { target: 'standby' }, { redis, targets: { standby: elsewhere } });
    expect(broken.state).toBe('failed');
    expect(await marks()).toEqual([]);
    expect(await marks(sourceOf('standby.example'))).toEqual([broken.id]);
    const standby = { ...bench.port, host: 'standby.example' };
    await bench.restore(good.id, { target: 'standby' }, { redis, targets: { standby } });
    expect(await marks(sourceOf('standby.example'))).toEqual([]);
  });

  it('gives the command that finishes it, and whether it is an undo', async () => {
    const good = await bench.snapshot();
    const { redis } = bench.database;
    await redis.hset('project:p1', { id: 'other' });
    await redis.del('key:1');
    const scope = { projects: ['p1'], families: ['project'], matches: [], keys: [] };
    const broken = await bench.restore(good.id, { scope, mode: 'merge' }, { redis: refusing() });
    const done = await bench.restore(good.id, { scope: { projects: [], families: [], matches: ['key:*'], keys: [] } });
    await redis.del('key:2');
    const undo = await bench.restore(done.id, { settle: null }, { redis: refusing() });
    expect(await unfinishedOf(bench.folder.store, own)).toMatchObject([
      {
        run: broken.id,
        kind: 'restore',
        scope: { project: projectLabel('p1') },
        kinds: { projects: [projectLabel('p1')], families: ['project'] },
        hint: `\`npx soulcaster-backup restore ${good.id} --project p1 --family project --env-file .env --mode merge --no-settle\``,
      },
      {
        run: undo.id,
        kind: 'undo',
        scope: { all: true },
        hint: `\`npx soulcaster-backup restore ${done.id} --match 'key:*' --env-file .env\``,
      },
    ]);
  });

  it('of a file names the file, which is in no store', async () => {
    const good = await bench.snapshot();
    await bench.database.redis.del('key:1');
    const parts = { redis: refusing(), snapshotWords: 'dump.rdb' };
    await bench.restore(good.id, { fromSource: true }, parts);
    const [mark] = await unfinishedOf(bench.folder.store, own);
    const options = '--env-file .env --no-settle --from-source';
    expect(mark?.hint).toBe(`\`npx soulcaster-backup restore dump.rdb ${options}\``);
  });

  it('of a selection is ended by one of the same or more keys, and not by one of fewer or other keys', async () => {
    await bench.database.redis.hset('project:p2', { id: 'p2', user_id: 'u1' });
    const good = await bench.snapshot();
    await bench.database.redis.hset('project:p1', { id: 'other' });
    const none = { projects: [], families: [], matches: [], keys: [] };
    const scope = { ...none, projects: ['p1', 'p2'], families: ['project', 'config'] };
    const broken = await bench.restore(good.id, { scope }, { redis: refusing() });
    const less = [
      { ...none, projects: ['p1', 'p2'], families: ['project'] },
      { ...scope, keys: ['project:p1'] },
      { project: 'p1' },
      { ...none, keys: ['key:1'] },
    ];
    for (const each of less) await bench.restore(good.id, { scope: each });
    expect(await marks()).toEqual([broken.id]);
    await bench.restore(good.id, { scope: { ...none, families: ['project', 'config', 'job'] }, confirm: good.id });
    expect(await marks()).toEqual([]);
  });

  it('from the second store is marked in the first too, or reports that it could not be', async () => {
    const good = await bench.snapshot();
    await bench.database.redis.del('key:1');
    const first = await folderStore(bench.clock);
    try {
      const seconds = { firstStore: () => first.store };
      const broken = await bench.restore(good.id, {}, { ...seconds, redis: refusing() });
      const inFirst = async () => (await unfinishedOf(first.store, own)).map(({ run }) => run);
      expect([await inFirst(), await marks()]).toEqual([[broken.id], [broken.id]]);
      expect((await unfinishedOf(first.store, own))[0]?.hint).toContain('--replica');
      const done = await bench.restore(good.id, {}, { ...seconds, marksElsewhere: seconds.firstStore });
      expect(done.result).toMatchObject({ notMarked: null });
      expect([await inFirst(), await marks()]).toEqual([[], []]);

      const gone = () => stumblingStore(first.store, 1).store;
      await bench.database.redis.del('key:1');
      const told: string[] = [];
      const deaf = { firstStore: gone, onNotMarked: (why: string) => void told.push(why) };
      const unmarked = await bench.restore(good.id, {}, { ...deaf, redis: refusing() });
      expect(told).toEqual(['out of reach']);
      expect([await inFirst(), await marks()]).toEqual([[], [unmarked.id]]);
    } finally {
      await first.remove();
    }
  });

  it('is not left by a dry run or a completed restore', async () => {
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
  it('is never latest, and is restored only with a confirmation', async () => {
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

describe('staged keys of a dead restore, in a snapshot taken then', () => {
  it.each(['replace', 'merge', 'missing'] as const)('are not restored, and fail no proof: mode %s', async (mode) => {
    const { redis } = bench.database;
    await redis.hset('soulcaster-backup:restore:20260101T000000Z-aaaaaa:1', { f: 'v' });
    const { id, counts } = await bench.snapshot();
    expect(counts.keys).toBe(KEYS + 2);
    await redis.del('key:1');
    for (const dryRun of [true, false]) {
      expect(await bench.restore(id, { mode, dryRun })).toMatchObject({
        state: 'succeeded',
        result: { plan: { total: { write: 1, same: KEYS } } },
      });
    }
    expect(await redis.keys('soulcaster-backup:*')).toEqual([]);
    expect(await redis.dbsize()).toBe(KEYS + 1);
    await redis.flushall();
    expect(await bench.restore(id, { mode })).toMatchObject({ state: 'succeeded', error: null });
    expect(await redis.dbsize()).toBe(KEYS + 1);
  });
});
