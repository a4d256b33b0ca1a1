import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { generateIdentity, identityToRecipient } from 'age-encryption';
import { ageEncryptor } from '../../lib/crypto/age.js';
import { loadManifest } from '../../lib/snapshot/manifest.js';
import { intercept } from '../snapshot/intercept.js';
import { changes, only, type Dump } from '../support/dumps.js';
import { openRestoreBench, type Ask, type RestoreBench } from '../support/restore-bench.js';
import { keep } from '../support/test-database.js';
import { loadProjects, ruin, type Workspace } from './project-data.js';

const noLocks = (dump: Dump): Dump => only(dump, (key) => !key.startsWith('cluster:lock:'));

/** What was there of the project before the restore, and how it reaches be so. */
const STANDING: readonly (readonly [string, (bench: RestoreBench, data: Workspace) => Promise<unknown>])[] = [
  ['nothing at all', ({ database }) => database.redis.flushall()],
  ['nothing of the project', (bench, data) => removeProject(bench, data)],
  ['a ruin', ({ database }, data) => ruin(database.redis, data)],
];

async function removeProject(bench: RestoreBench, data: Workspace): Promise<void> {
  const { redis } = bench.database;
  await redis.del(...Object.keys(await bench.dump()).filter(data.owns));
  await redis.srem(`user:projects:${data.user}`, data.project);
}

describe('undoing the restore of one project', () => {
  let bench: RestoreBench;
  let data: Workspace;
  let snapshot = '';
  let loadAgain: () => Promise<void>;
  beforeAll(async () => {
    bench = await openRestoreBench();
    data = await loadProjects(bench, { items: 20 });
    snapshot = (await bench.snapshot()).id;
    loadAgain = await keep(bench.database.redis);
  });
  afterAll(() => bench.stop());
  beforeEach(() => loadAgain());

  const modes = ['replace', 'merge', 'missing'] as const;
  it.each(STANDING.flatMap(([name, make]) => modes.map((mode) => [mode, name, make] as const)))(
    'restores the earlier state, key for key: mode %s over %s',
    async (mode, _name, make) => {
      await make(bench, data);
      // What is of another type where a list was is refused in this mode.
      if (mode === 'missing') await bench.database.redis.del(`github:repos:${data.project}`);
      const before = await bench.dump();
      const run = await bench.restore(snapshot, { mode, scope: { project: data.project } });
      expect(run).toMatchObject({ result: { undo: run.id } });
      expect(changes(noLocks(before), noLocks(await bench.dump())).length).toBeGreaterThan(3);
      await bench.database.redis.set('meanwhile', 'written');
      // The id alone is enough, and the same with the project named.
      const alone = await bench.restore(run.id, { settle: null, dryRun: true });
      const undone = await bench.restore(run.id, { settle: null, scope: { project: data.project } });
      for (const each of [alone, undone]) {
        expect(each).toMatchObject({ state: 'succeeded', input: { scope: { project: data.project } } });
      }
      expect(changes(noLocks(before), noLocks(await bench.dump()))).toEqual(['meanwhile']);
    },
  );

  it('by id alone changes nothing outside the project', async () => {
    await removeProject(bench, data);
    const run = await bench.restore(snapshot, { scope: { project: data.project } });
    const { redis } = bench.database;
    await redis.hset(`project:${data.others[0] ?? ''}`, 'name', 'renamed since');
    await redis.sadd(`user:projects:${data.user}`, 'a fourth');
    const outside = only(await bench.dump(), (key) => !data.owns(key) && !key.startsWith('user:projects:'));
    await bench.restore(run.id, { settle: null });
    expect(
      changes(
        outside,
        only(await bench.dump(), (key) => !key.startsWith('user:projects:')),
      ),
    ).toEqual([]);
    expect((await redis.smembers(`user:projects:${data.user}`)).sort()).toEqual([...data.others, 'a fourth'].sort());
  });

  it('can itself be undone', async () => {
    const whole = await bench.dump();
    await removeProject(bench, data);
    const run = await bench.restore(snapshot, { scope: { project: data.project } });
    const undone = await bench.restore(run.id, { settle: null });
    expect(await bench.restore(undone.id, { settle: null })).toMatchObject({ state: 'succeeded' });
    expect(changes(noLocks(whole), noLocks(await bench.dump()))).toEqual([]);
  });

  it('has the keys of the project and keys of no project, and never replaces those of others', async () => {
    await removeProject(bench, data);
    const outside = only(await bench.dump(), (key) => data.others.some((project) => key.split(':').includes(project)));
    const read = new Set<string>();
    const redis = intercept(bench.port, {
      before(commands) {
        for (const [, ...words] of commands)
          for (const key of words.filter((word) => Buffer.isBuffer(word))) read.add(String(key));
        return null;
      },
    });
    const run = await bench.restore(snapshot, { scope: { project: data.project } }, { redis });
    expect(run.state).toBe('succeeded');
    expect(Object.keys(outside).filter((key) => read.has(key) && !key.startsWith('user:'))).toEqual([]);
    const saved = (await loadManifest(bench.folder.store, run.id))?.manifest;
    expect(saved).toMatchObject({ state: 'complete', partial: true });
    expect(saved?.dbsize.before).toBeGreaterThan(2 * (saved?.counts.keys ?? 0));
    const some = { projects: [], families: [], matches: [], keys: [] };
    const beyond: [Ask, string][] = [
      [{ everything: true }, 'usage'],
      [{ scope: { ...some, families: ['feedback'] } }, 'usage'],
      [{ scope: { ...some, projects: [data.project, data.others[0] ?? ''] } }, 'not-found'],
    ];
    for (const [ask, code] of beyond) {
      await expect(bench.restore(run.id, { ...ask, settle: null })).rejects.toMatchObject({ code });
    }
    const before = await bench.dump();
    const merged = await bench.restore(run.id, { settle: null, everything: true, mode: 'merge' });
    expect(merged).toMatchObject({ state: 'succeeded', input: { scope: { all: true } } });
    expect(changes(noLocks(before), noLocks(await bench.dump()))).toEqual([]);
  });

  it('restores everything in the safety snapshot of a restore of some keys, on request', async () => {
    const scope = { projects: [], families: ['project'], matches: [], keys: [] };
    await removeProject(bench, data);
    const before = await bench.dump();
    const run = await bench.restore(snapshot, { scope });
    await bench.database.redis.set('meanwhile', 'written');
    expect(await bench.restore(run.id, { settle: null, everything: true })).toMatchObject({
      state: 'succeeded',
      input: { scope: { all: true } },
    });
    expect(changes(noLocks(before), noLocks(await bench.dump()))).toEqual([]);
  });

  it('refuses a project that neither the snapshot nor its restore knows', async () => {
    const run = await bench.restore(snapshot, { scope: { project: data.project } });
    const other = bench.restore(run.id, { scope: { project: 'no-such-project' } });
    await expect(other).rejects.toMatchObject({ code: 'not-found' });
  });

  it('uses the target of the undone restore', async () => {
    const other = await openRestoreBench();
    try {
      const parts = { targets: { staging: other.port } };
      const primary = await bench.dump();
      for (const scope of [{ project: data.project }, { all: true }] as const) {
        const run = await bench.restore(snapshot, { scope, target: 'staging' }, parts);
        expect(Object.keys(await other.dump()).length).toBeGreaterThan(10);
        const undone = await bench.restore(run.id, { settle: null }, parts);
        expect(undone).toMatchObject({ state: 'succeeded', input: { scope, target: 'staging' } });
        expect(await other.dump()).toEqual({});
      }
      expect(changes(primary, await bench.dump())).toEqual([]);
    } finally {
      await other.stop();
    }
  });

  it('finds its project when snapshots are encrypted, and does not reveal it', async () => {
    const identity = await generateIdentity();
    const encryptor = ageEncryptor({ recipients: [await identityToRecipient(identity)], identity });
    await removeProject(bench, data);
    const before = await bench.dump();
    const run = await bench.restore(snapshot, { scope: { project: data.project } }, { encryptor });
    const manifest = (await loadManifest(bench.folder.store, run.id))?.manifest;
    expect(manifest?.undoes).toMatchObject({ project: { age: expect.any(String) as unknown } });
    expect(JSON.stringify(manifest)).not.toContain(data.project);
    expect(await bench.restore(run.id, { settle: null }, { encryptor })).toMatchObject({ state: 'succeeded' });
    expect(changes(noLocks(before), noLocks(await bench.dump()))).toEqual([]);
  });
});
