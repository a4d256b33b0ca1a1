import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { loadWorkspace } from '../../dev/data/index.js';
import type { RestoreContext } from '../../lib/restore/context.js';
import { AppError } from '../../lib/errors.js';
import { decodeJson, encodeJson } from '../../lib/json.js';
import type { ObjectStore } from '../../lib/ports/index.js';
import { writeMarker } from '../../lib/runs/markers.js';
import { isMirror, projectsATask, inspectProjects, type InspectedProject } from '../../lib/restore/inspect-task.js';
import { noProof, type Verdict } from '../../lib/restore/proof.js';
import { recordedProjects } from '../../lib/restore/recorded-projects.js';
import type { RunRecord } from '../../lib/runs/model.js';
import type { SourceRecord } from '../../lib/snapshot/source-records.js';
import { classifyKey } from '../../lib/soulcaster/keys.js';
import { intercept } from '../snapshot/intercept.js';
import { itemBreaches, otherBreaches } from '../soulcaster/breaches.js';
import { loadWhole } from '../soulcaster/whole-workspace.js';
import { NOW, openRestoreBench, type Ask, type RestoreBench } from '../support/restore-bench.js';

/** Commands that a restore sends nowhere but where it reads a project from the database to inspect it. */
const INSPECTING = 'HMGET project:';

interface Restored {
  readonly run: RunRecord;
  readonly commands: number;
  /** Whether a project was read from the database after the proof. */
  readonly isRead: boolean;
}

/** `meddle` runs when something was written. */
async function restoreCounting(
  bench: RestoreBench,
  id: string,
  ask: Ask = {},
  meddle: () => Promise<unknown> = () => Promise.resolve(),
): Promise<Restored> {
  let [isRead, wrote, done] = [false, false, false];
  const redis = intercept(bench.port, {
    before: async (commands) => {
      isRead ||= commands.some(([name, key]) => `${name} ${String(key)}`.startsWith(INSPECTING));
      if (wrote && !done) {
        done = true;
        await meddle();
      }
      return null;
    },
    after: (commands, replies) => {
      wrote ||= commands.some(([name]) => name === 'MSET');
      return replies;
    },
  });
  const before = bench.commands();
  const run = await bench.restore(id, ask, { redis });
  return { run, commands: bench.commands() - before, isRead };
}

const projectsOf = ({ result }: RunRecord): readonly InspectedProject[] =>
  (result as unknown as { projects: InspectedProject[] }).projects;

describe('the projects of a restored database', () => {
  let bench: RestoreBench;
  let snapshot = '';
  let keys = 0;
  let project = '';
  beforeAll(async () => {
    bench = await openRestoreBench();
    const { redis, url } = bench.database;
    await loadWorkspace({
      redisUrl: url,
      projects: 2,
      users: 1,
      items: 200,
      seed: 5,
      clusterSize: 4,
      now: NOW,
      locked: false,
    });
    const manifest = await bench.snapshot();
    snapshot = manifest.id;
    keys = manifest.counts.keys;
    project = (await redis.keys('project:*'))[0]?.slice('project:'.length) ?? '';
  });
  afterAll(() => bench.stop());

  it('are inspected in the proven records: a restore into an empty database takes little more than two commands a key', async () => {
    await bench.database.redis.flushall();
    const { run, commands, isRead } = await restoreCounting(bench, snapshot);
    expect(run).toMatchObject({ state: 'succeeded', error: null, result: { proof: { total: { equal: keys } } } });
    expect(isRead).toBe(false);
    expect(commands / keys).toBeLessThan(2.5);
    expect(projectsOf(run)).toMatchObject([
      { feedback: 200, loads: true, violations: [] },
      { feedback: 200, loads: true, violations: [] },
    ]);
  });

  it.each<[string, Ask]>([
    ['mode merge', { mode: 'merge' }],
    ['mode missing', { mode: 'missing' }],
    ['a scope of families', { scope: { projects: [], families: ['feedback', 'project'], matches: [], keys: [] } }],
  ])('are read from the database with %s', async (_what, ask) => {
    const { run, isRead } = await restoreCounting(bench, snapshot, ask);
    expect(run).toMatchObject({ state: 'succeeded', result: { proof: { total: { missing: 0, different: 0 } } } });
    expect(isRead).toBe(true);
  });

  it('are read from the database when only one of them is restored', async () => {
    expect((await restoreCounting(bench, snapshot, { scope: { project } })).isRead).toBe(true);
  });

  it('are read from the database when it has a key that the snapshot lacks', async () => {
    const { redis } = bench.database;
    const name = `feedback:${project}:new`;
    const meddle = () => redis.hset(name, 'id', 'new');
    await redis.flushall();
    const { run, isRead } = await restoreCounting(bench, snapshot, {}, meddle);
    expect(isRead).toBe(true);
    expect(run).toMatchObject({ state: 'incomplete', result: { extras: 1 } });
    expect(projectsOf(run).flatMap(({ violations }) => violations)).toMatchObject([
      { rule: 'item-not-listed', count: 1, fresh: 1, inSnapshot: 0 },
    ]);
  });

  it.each<[string, number, boolean]>([
    ['a key of theirs expires', NOW + 1e10, true],
    ['the time of a key of theirs is over', NOW + 1500, true],
  ])('are read from the database when %s', async (_what, at, read) => {
    const { redis } = bench.database;
    expect(await bench.restore(snapshot)).toMatchObject({ state: 'succeeded' });
    await redis.pexpireat(`feedback:unclustered:${project}`, at);
    const { id } = await bench.snapshot();
    bench.clock.advance(60_000);
    const { run, isRead } = await restoreCounting(bench, id);
    expect(run).toMatchObject({ state: 'succeeded', error: null });
    expect(isRead).toBe(read);
  });

  it('are not read from the database because of an expiry that no rule reads', async () => {
    const { redis } = bench.database;
    expect(await bench.restore(snapshot)).toMatchObject({ state: 'succeeded' });
    await redis.set('session', 'x', 'PXAT', NOW + 1e10);
    const { run, isRead } = await restoreCounting(bench, (await bench.snapshot()).id);
    expect(run).toMatchObject({ state: 'succeeded', error: null });
    expect(isRead).toBe(false);
  });
});

it('are each inspected once when another version began the inspection with other tasks', async () => {
  const bench = await openRestoreBench();
  try {
    const { redis } = bench.database;
    const all = Array.from({ length: 30 }, (_, at) => `p${String(at).padStart(2, '0')}`);
    for (const id of all) await redis.hset(`project:${id}`, { id, user_id: 'u', name: id });
    const { id } = await bench.snapshot();
    const { store } = bench.folder;
    let restore = '';
    const swap: ObjectStore['swap'] = async (name, body, etag) => {
      const record = decodeJson(body) as RunRecord;
      if (record.phase !== 'inspect') return store.swap(name, body, etag);
      restore = record.id;
      const projects = all.slice(0, 10).map((project) => ({ project, violations: [] }));
      await writeMarker(store, restore, 'inspect', 0, { projects, spent: { commands: 0, requests: 0 } });
      const checkpoint = { ...(record.checkpoint as object), mirror: undefined, projectsATask: undefined };
      await store.swap(name, encodeJson({ ...record, checkpoint, tasks: 3 }), etag);
      throw new AppError('interrupted', 'that version is gone', { hint: 'None.' });
    };
    await expect(bench.restore(id, {}, { store: { ...store, swap } })).rejects.toThrow('that version is gone');
    bench.clock.advance(3_600_000);
    const run = await bench.work(restore);
    expect(run).toMatchObject({ state: 'succeeded', error: null });
    expect(projectsOf(run).map((each) => each.project)).toEqual(all);
  } finally {
    await bench.stop();
  }
});

describe('a target mirrors the records', () => {
  const input = { mode: 'replace', scope: { all: true } };
  const partOf = (bytes: number) => ({ plain: { bytes }, stored: { bytes: bytes / 10 } });
  const manifest = { parts: [partOf(10_000)], ledger: { unsupported: { count: 0, keys: [] } } };
  const context = { input, manifest } as unknown as RestoreContext;
  const proofOf = (verdict: Verdict) => ({ ...noProof(), total: { ...noProof().total, equal: 9, [verdict]: 1 } });

  it('when everything was replaced and found equal', () => {
    expect(isMirror(context, proofOf('equal'), 0)).toBe(true);
    expect(isMirror(context, proofOf('expired'), 0)).toBe(true);
  });

  it.each<Verdict>(['kept', 'blocked', 'missing', 'different'])('and not when a record is %s', (verdict) => {
    expect(isMirror(context, proofOf(verdict), 0)).toBe(false);
  });

  it('and not when it has more keys, the snapshot is incomplete, or less was restored', () => {
    expect(isMirror(context, proofOf('equal'), 1)).toBe(false);
    const lacking = { ...manifest, ledger: { unsupported: { count: 1, keys: [] } } };
    const large = { ...manifest, parts: Array(4).fill(partOf(600_000_000)) };
    for (const other of [lacking, large])
      expect(isMirror({ ...context, manifest: other } as unknown as RestoreContext, proofOf('equal'), 0)).toBe(false);
    for (const other of [{ mode: 'merge' }, { mode: 'missing' }, { scope: { project: 'p' } }]) {
      expect(isMirror({ ...context, input: { ...input, ...other } } as RestoreContext, proofOf('equal'), 0)).toBe(
        false,
      );
    }
  });
});

it('records of broken data give the same inspection as the database', async () => {
  const bench = await openRestoreBench();
  const { redis, url } = bench.database;
  try {
    const workspace = await loadWhole(redis, url);
    // A project without its hash is not one of those that are restored.
    const breaches = [...itemBreaches, ...otherBreaches].filter(({ rule }) => rule !== 'project-missing');
    for (const { commit } of breaches) await commit(workspace);
    const { project } = workspace;
    const bytes = Buffer.from([0xff, 0xfe]);
    // Names and members that are no text, a project that is called by a word of the grammar, and a value that no id is as long as.
    await redis.hset(Buffer.concat([Buffer.from(`feedback:${project}:`), bytes]), 'id', 'x');
    await redis.zadd(`feedback:created:${project}`, 1, bytes, 2, Buffer.from([0xff]), 'inf', 'endless');
    await redis.zadd(`feedback:source:${project}:github`, 'inf', 'endless', '-0', 'zero');
    await redis.hset('project:created', { id: 'created', user_id: 'u', name: '' });
    await redis.hset('project:lock', { id: 'lock', user_id: 'u', name: '' });
    await redis.zadd('feedback:created:created', 1, 'one', 2, 'two');
    await redis.zadd('feedback:created:one', 1, 'a');
    await redis.zadd('clusters:lock:all', 1, 'c');
    await redis.set('cluster:lock:c', 'held');
    await redis.set(`feedback:external:${project}:github:long`, 'x'.repeat(100_000));
    const { id } = await bench.snapshot({ settings: { partBytes: 4096 } });
    // Locks are never restored.
    await redis.del('cluster:lock:c');
    const { isRead, run } = await restoreCounting(bench, id);
    expect(isRead).toBe(false);
    const inspected = projectsOf(run);
    expect(inspected.map((each) => each.project)).toEqual(expect.arrayContaining([project, 'created', 'lock']));
    const names = (await redis.keysBuffer('*')).map((key) => classifyKey(key.toString('utf8')));
    const pages = (async function* () {
      yield await Promise.resolve(names);
    })();
    const all = { facts: { byProject: new Map(), externals: new Set<string>() }, input: { scope: { all: true } } };
    const live = await inspectProjects(
      all as unknown as RestoreContext,
      bench.port,
      pages,
      inspected.map((each) => each.project),
    );
    const plain = inspected.map(({ project: name, feedback, clusters, bySource, loads, violations }) => ({
      project: name,
      feedback,
      clusters,
      bySource,
      loads,
      violations: violations.map(({ rule, count, examples, inSnapshot }) => {
        expect(inSnapshot).toBe(count);
        return { rule, count, examples };
      }),
    }));
    expect(plain).toEqual(live.map(({ report }) => report));
    expect(plain.flatMap(({ violations }) => violations).length).toBeGreaterThan(20);
    expect(run).toMatchObject({ state: 'succeeded', error: null });
  } finally {
    await bench.stop();
  }
});

it.each<[string, number, number, boolean, number]>([
  ['many where they are small', 300, 3000, true, 100],
  ['ten where the database is read, and names are many', 300, 10_000_000, false, 10],
  ['as few as fit in memory', 10, 375_000, true, 4],
  ['one that is large', 3, 1_000_000, true, 1],
])('a task has %s', (_what, projects, keys, mirror, expected) => {
  const state = { projects: Array.from({ length: projects }, String) };
  expect(projectsATask({ state, manifest: { counts: { keys } } } as unknown as RestoreContext, mirror)).toBe(expected);
});

describe('records of projects', () => {
  const hash = { k: 'feedback:p:i', t: 'hash', v: [['id', 'i']] } as const;
  let read = 0;
  const lasts = async (record: object, projects: readonly string[], most?: number): Promise<boolean> => {
    read = 0;
    const records = (async function* () {
      while (read++ < 10) yield await Promise.resolve({ rest: null, ...record } as SourceRecord);
    })();
    return (await recordedProjects(records, new Set(projects), most === undefined ? {} : { most })).lasts;
  };

  it('are read only as far as they fit in memory', async () => {
    expect(await lasts({ first: hash }, ['p'], 10)).toBe(true);
    expect(await lasts({ first: hash }, ['q'], 3)).toBe(true);
    expect(await lasts({ first: hash }, ['p'], 3)).toBe(false);
    expect(read).toBe(4);
  });

  it.each<[string, object]>([
    ['the time of a key', { first: { ...hash, x: NOW } }],
    ['the time of a field', { first: { ...hash, fx: [['id', NOW]] } }],
    ['a time that is over', { first: hash, expired: true }],
  ])('do not last by %s, unless they are of other projects', async (_what, record) => {
    expect(await lasts(record, ['p'])).toBe(false);
    expect(await lasts(record, ['q'])).toBe(true);
    expect(await lasts({ first: hash }, ['p'])).toBe(true);
  });

  it('are usable when one of them has lost all its members to the erasure list', async () => {
    expect(await lasts({ first: { k: 'user:projects:u', t: 'set', v: [] }, expired: true }, ['p'])).toBe(true);
  });
});
