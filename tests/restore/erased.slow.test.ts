import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { generateX25519Identity, identityToRecipient } from 'age-encryption';
import { ageEncryptor } from '../../lib/crypto/age.js';
import { ed25519Signer, generateSigningKey } from '../../lib/crypto/ed25519.js';
import { silentLog } from '../../lib/app/in-process.js';
import { authenticatedStore } from '../../lib/control/authenticated-store.js';
import type { Scope } from '../../lib/restore/model.js';
import type { Plan } from '../../lib/restore/plan.js';
import type { Proof } from '../../lib/restore/proof.js';
import { DRILL_TARGET } from '../../lib/restore/drill/record.js';
import { startDrill } from '../../lib/restore/drill/run.js';
import type { RunRecord } from '../../lib/runs/model.js';
import { ERASURES_NAME, loadErasures, saveErasure, withdrawErasure } from '../../lib/snapshot/erasures.js';
import { changes, only, type Dump } from '../support/dumps.js';
import { stumblingStore } from '../support/failing-store.js';
import { folderStore, type FolderStore } from '../support/folder-store.js';
import { openRestoreBench, type Ask, type RestoreBench } from '../support/restore-bench.js';
import { loadProjects, ruin, type Workspace } from './project-data.js';

const SETTINGS = { settings: { partBytes: 60_000 } };
const WORD = { reason: 'asked by the person', at: '2026-11-26T10:00:00Z', by: 'ops' };
const PLAIN = ageEncryptor({ recipients: [], identity: null });

const planOf = ({ result }: RunRecord): Plan => (result as unknown as { plan: Plan }).plan;
const proofOf = ({ result }: RunRecord): Proof => (result as unknown as { proof: Proof }).proof;
const sum = (counts: Readonly<Record<string, number>>): number => Object.values(counts).reduce((a, b) => a + b, 0);

describe('data on the erasure list', () => {
  let bench: RestoreBench;
  let data: Workspace;
  let snapshot = '';
  let whole: Dump = {};
  let list = '';
  const ports = () => ({ store: bench.folder.store, encryptor: PLAIN });
  const owned = () => only(whole, data.owns);
  const forgetProject = () =>
    saveErasure(ports(), { ...WORD, kind: 'project', id: data.project, projects: [data.project] });
  const restore = (ask: Ask = {}) => bench.restore(snapshot, ask);

  beforeAll(async () => {
    bench = await openRestoreBench();
    data = await loadProjects(bench, { binary: true });
    await bench.database.redis.hset(`user:${data.user}`, 'email', 'someone@example.com');
    whole = await bench.dump();
    list = `user:projects:${data.user}`;
    snapshot = (await bench.snapshot(SETTINGS)).id;
  });
  afterAll(() => bench.stop());
  beforeEach(async () => {
    await bench.folder.store.remove(ERASURES_NAME);
    await bench.database.redis.flushall();
  });

  it('is left out of a restore of everything, reported, and not missing in the proof', async () => {
    await forgetProject();
    const run = await restore();
    expect(run).toMatchObject({ state: 'succeeded', error: null });
    const after = await bench.dump();
    expect(only(after, data.owns)).toEqual({});
    expect(
      changes(
        only(whole, (key) => !data.owns(key)),
        after,
      ),
    ).toEqual([list]);
    expect((await bench.database.redis.smembers(list)).sort()).toEqual([...data.others].sort());
    const count = Object.keys(owned()).length;
    expect(sum(planOf(run).erased)).toBe(count);
    expect(planOf(run).erased).toMatchObject({ job: data.jobs.length, project: 1 });
    expect(proofOf(run).total).toMatchObject({ missing: 0, different: 0, equal: Object.keys(whole).length - count });
    expect(run.result).toMatchObject({ extras: 0, projects: data.others.map((project) => ({ project })).sort(byName) });
  });

  it('is reported by a dry run, which writes nothing', async () => {
    await forgetProject();
    const run = await restore({ dryRun: true });
    expect(run.state).toBe('succeeded');
    expect(sum(planOf(run).erased)).toBe(Object.keys(owned()).length);
    expect(await bench.dump()).toEqual({});
  });

  it('is removed by mode replace if still present; the undo does not restore it unless the entry is withdrawn', async () => {
    await restore();
    await ruin(bench.database.redis, data);
    const before = await bench.dump();
    await forgetProject();
    const run = await restore();
    expect(run).toMatchObject({ state: 'succeeded', result: { extras: 0 } });
    expect(only(await bench.dump(), data.owns)).toEqual({});
    const undo = await bench.restore(run.id);
    expect(undo).toMatchObject({ state: 'succeeded', error: null });
    expect(sum(planOf(undo).erased)).toBe(Object.keys(only(before, data.owns)).length);
    expect(only(await bench.dump(), data.owns)).toEqual({});
    await withdrawErasure(ports(), { kind: 'project', id: data.project }, { ...WORD, reason: 'by mistake' });
    expect(await bench.restore(run.id)).toMatchObject({ state: 'succeeded' });
    expect(changes(before, await bench.dump())).toEqual([]);
  });

  const scopes = (): [string, Scope][] => [
    ['everything', { all: true }],
    [
      'families',
      { projects: [], families: ['config', 'job', 'job-logs', 'user-projects', 'cluster-jobs'], matches: [], keys: [] },
    ],
    ['a pattern', { projects: [], families: [], matches: ['*'], keys: [] }],
  ];
  it.each(['merge', 'missing', 'replace'] as const)('is not restored in mode %s, whatever the scope', async (mode) => {
    await forgetProject();
    for (const [name, scope] of mode === 'replace' ? scopes() : scopes().slice(0, 1)) {
      await bench.database.redis.flushall();
      // Something must be there: an empty target is written without being read.
      await bench.database.redis.set('foreign:list', 'of another type');
      const run = await restore({ mode, scope });
      expect([name, run.state, run.error]).toEqual([name, 'succeeded', null]);
      expect([name, sum(planOf(run).erased) > data.jobs.length]).toEqual([name, true]);
      expect(only(await bench.dump(), data.owns)).toEqual({});
      expect(await bench.database.redis.sismember(list, data.project)).toBe(0);
    }
  });

  it('stays in the database in modes that remove nothing', async () => {
    await restore();
    await ruin(bench.database.redis, data);
    const before = await bench.dump();
    await forgetProject();
    for (const mode of ['merge', 'missing'] as const) {
      expect((await restore({ mode })).state).toBe('succeeded');
      expect(changes(only(before, data.owns), only(await bench.dump(), data.owns))).toEqual([]);
    }
  });

  it('is refused when it is requested by name, and the current data stay', async () => {
    await restore();
    await forgetProject();
    const keys = (...names: string[]): Scope => ({ projects: [], families: [], matches: [], keys: names });
    const named: Scope[] = [
      { project: data.project },
      { projects: [data.project, data.others[0] ?? ''], families: ['config'], matches: [], keys: [] },
      { items: [{ project: data.project, id: data.items[0] ?? '' }] },
      keys(`job:${data.jobs[0] ?? ''}`, 'foreign:stream'),
    ];
    for (const scope of named) {
      const run = await restore({ scope });
      expect(run).toMatchObject({ state: 'failed', error: { code: 'not-restorable' } });
      expect(run.error?.message).toContain('erasure list');
      expect(run.error?.hint).toContain('erasures list');
    }
    expect(changes(whole, await bench.dump())).toEqual([]);
  });

  it('is left out where the snapshot ties it to no project, such as logs of jobs without their hash', async () => {
    const [job = ''] = data.jobs;
    const logs: Scope = { projects: [], families: ['job-logs'], matches: [], keys: [] };
    await saveErasure(ports(), { ...WORD, kind: 'project', id: data.project, projects: [data.project], jobs: [job] });
    await bench.database.redis.rpush(`job:${job}:logs`, 'a line');
    await bench.database.redis.rpush('job:another:logs', 'a line');
    const { id } = await bench.snapshot(SETTINGS);
    await bench.database.redis.flushall();
    const run = await bench.restore(id, { scope: logs });
    expect(run).toMatchObject({ state: 'succeeded', result: { plan: { erased: { 'job-logs': 1 } } } });
    expect(Object.keys(await bench.dump())).toEqual(['job:another:logs']);
    const scope: Scope = { ...logs, families: [], keys: [`job:${job}:logs`] };
    expect(await bench.restore(id, { scope })).toMatchObject({ state: 'failed', error: { code: 'not-restorable' } });
  });

  it('does not affect other projects and their users when one of them is restored', async () => {
    await forgetProject();
    const [project = ''] = data.others;
    const run = await restore({ scope: { project } });
    expect(run).toMatchObject({ state: 'succeeded', result: { plan: { erased: {}, usersJoined: 1 } } });
    expect(await bench.database.redis.smembers(list)).toEqual([project]);
  });

  it('may be of a user: the record, the list and the projects named in the entry are left out', async () => {
    await saveErasure(ports(), { ...WORD, kind: 'user', id: data.user, projects: [data.project] });
    const run = await restore();
    expect(run).toMatchObject({ state: 'succeeded', error: null });
    const after = await bench.dump();
    const gone = changes(whole, after);
    expect(gone).toEqual([...Object.keys(owned()), list, `user:${data.user}`].sort());
    expect(planOf(run).erased).toMatchObject({ user: 1, 'user-projects': 1, project: 1 });
    const [project = ''] = data.others;
    await bench.database.redis.flushall();
    expect(await restore({ scope: { project } })).toMatchObject({ state: 'succeeded', error: null });
    expect(await bench.database.redis.exists(list)).toBe(0);
  });

  it('is left out of a drill, which passes', async () => {
    await forgetProject();
    const scratch = await openRestoreBench();
    try {
      const parts = { targets: { [DRILL_TARGET]: scratch.port } };
      await bench.database.redis.set('there', 'is something');
      const started = await startDrill(
        {
          ...ports(),
          clock: bench.clock,
          redisOf: () => bench.port,
          signer: ed25519Signer({ privateKey: null, publicKey: null }),
        },
        bench.engine(parts),
      );
      if (!started.started) throw new Error('held');
      const run = await bench.work(started.run.id, parts);
      expect(run).toMatchObject({ state: 'succeeded', result: { outcome: 'passed' } });
      const { restore: inner } = run.result as unknown as { restore: { plan: Plan } };
      expect(sum(inner.plan.erased)).toBe(Object.keys(owned()).length);
    } finally {
      await scratch.stop();
    }
  });

  describe('on the list of the other store', () => {
    let other: FolderStore;
    beforeAll(async () => {
      other = await folderStore(bench.clock);
    });
    afterAll(() => other.remove());
    beforeEach(() => other.store.remove(ERASURES_NAME));
    const entry = () => ({ ...WORD, kind: 'project' as const, id: data.project, projects: [data.project] });
    const elsewhere = (isFirst: boolean) => ({ otherErasures: { store: () => other.store, isFirst } });

    it.each([true, false])(
      'is left out too (other store is the first: %s), until the entry is withdrawn in one',
      async (isFirst) => {
        await saveErasure({ store: other.store, encryptor: PLAIN }, entry());
        const dry = await bench.restore(snapshot, { dryRun: true }, elsewhere(isFirst));
        expect(sum(planOf(dry).erased)).toBe(Object.keys(owned()).length);
        expect(await bench.restore(snapshot, {}, elsewhere(isFirst))).toMatchObject({
          state: 'succeeded',
          error: null,
        });
        expect(only(await bench.dump(), data.owns)).toEqual({});
        await saveErasure(ports(), entry());
        await withdrawErasure(ports(), entry(), { ...WORD, reason: 'by mistake' });
        const run = await bench.restore(snapshot, {}, elsewhere(isFirst));
        expect(sum(planOf(run).erased)).toBe(0);
        expect(changes(whole, await bench.dump())).toEqual([]);
      },
    );

    it('restores with a warning when the first store is unreachable, and fails when its list cannot be read', async () => {
      await other.store.create(ERASURES_NAME, Buffer.from('{"version":9}'));
      const garbled = await bench.restore(snapshot, {}, elsewhere(true));
      expect(garbled).toMatchObject({ state: 'failed', error: { code: 'damaged' } });
      expect(await bench.dump()).toEqual({});
      const told: string[] = [];
      const gone = () => stumblingStore(other.store, 1).store;
      const otherErasures = { store: gone, isFirst: true, onUnread: (why: string) => void told.push(why) };
      expect(await bench.restore(snapshot, {}, { otherErasures })).toMatchObject({ state: 'succeeded' });
      expect(told).toEqual(['out of reach']);
    });
  });

  it('has entries that can be replaced, and withdrawn with a reason that is kept', async () => {
    await forgetProject();
    await saveErasure(ports(), {
      ...WORD,
      kind: 'project',
      id: data.project,
      projects: [data.project],
      reason: 'twice',
    });
    const word = { reason: 'came back', at: WORD.at, by: 'ops' };
    const subject = { kind: 'project', id: data.project } as const;
    expect(await withdrawErasure(ports(), subject, word)).toMatchObject({ withdrawn: word });
    expect(await withdrawErasure(ports(), subject, word)).toBeNull();
    expect(await loadErasures(ports())).toEqual([
      { ...WORD, ...subject, projects: [data.project], jobs: [], clusters: [], reason: 'twice', withdrawn: word },
    ]);
    expect(sum(planOf(await restore()).erased)).toBe(0);
  });
});

describe('an erasure list that is encrypted and signed', () => {
  let bench: RestoreBench;
  let data: Workspace;
  beforeAll(async () => {
    bench = await openRestoreBench();
    data = await loadProjects(bench);
  });
  afterAll(() => bench.stop());

  it('contains no id in plain text, and restores fail when it cannot be read or verified', async () => {
    const identity = await generateX25519Identity();
    const recipients = [await identityToRecipient(identity)];
    const { privateKey, publicKey } = generateSigningKey();
    const signer = ed25519Signer({ privateKey, publicKey });
    const store = authenticatedStore(bench.folder.store, signer, silentLog());
    const encryptor = ageEncryptor({ recipients, identity });
    const parts = { store, encryptor, signer };
    const { id } = await bench.snapshot(parts);
    await saveErasure({ store, encryptor }, { ...WORD, kind: 'project', id: data.project, projects: [data.project] });
    const stored = (await bench.folder.store.read(ERASURES_NAME))?.body.toString() ?? '';
    expect(stored).toContain('"signature"');
    expect(stored).not.toContain(data.project);
    expect(stored).not.toContain(WORD.reason);
    await bench.database.redis.flushall();
    const run = await bench.restore(id, {}, parts);
    expect(run).toMatchObject({ state: 'succeeded', error: null });
    expect(only(await bench.dump(), data.owns)).toEqual({});

    const other = ageEncryptor({ recipients: [], identity: await generateX25519Identity() });
    await expect(loadErasures({ store, encryptor: other })).rejects.toMatchObject({ code: 'wrong-key' });
    await bench.database.redis.flushall();
    await bench.folder.store.remove(ERASURES_NAME);
    await bench.folder.store.create(ERASURES_NAME, Buffer.from(stored.replace(/"age": "(.)/, (found) => `${found}A`)));
    expect(await bench.restore(id, {}, parts)).toMatchObject({ state: 'failed', error: { code: 'wrong-key' } });
    expect(await bench.dump()).toEqual({});
  });
});

function byName({ project: a }: { project: string }, { project: b }: { project: string }): number {
  return a < b ? -1 : 1;
}
