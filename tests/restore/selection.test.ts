import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import fc from '../support/fast-check.js';
import type { Redis } from 'ioredis';
import type { Mode, Scope } from '../../lib/restore/model.js';
import { changes, only, type Dump } from '../support/dumps.js';
import { openRestoreBench, type RestoreBench } from '../support/restore-bench.js';

type Write = readonly [command: string, ...args: string[]];

/** A key with the project and the family that it belongs to, by the test's own word, and how it is made. */
interface Made {
  readonly key: string;
  readonly project: string | null;
  readonly family: string;
  readonly write: Write;
}

const made = (project: string | null, family: string, ...write: Write): Made => ({
  key: write[1] ?? '',
  project,
  family,
  write,
});

function projectOf(p: string): Made[] {
  const items = ['1', '2', '3'].map((id) =>
    made(p, 'feedback', 'HSET', `feedback:${p}:${id}`, 'id', id, 'source', 'manual'),
  );
  return [
    ...items,
    made(p, 'project', 'HSET', `project:${p}`, 'id', p, 'user_id', 'u'),
    made(p, 'feedback-created', 'ZADD', `feedback:created:${p}`, '1', '1', '2', '2', '3', '3'),
    made(p, 'feedback-source', 'ZADD', `feedback:source:${p}:manual`, '1', '1', '2', '2', '3', '3'),
    made(p, 'feedback-unclustered', 'SADD', `feedback:unclustered:${p}`, '3'),
    made(p, 'feedback-external', 'SET', `feedback:external:${p}:manual:x:1`, '1'),
    made(p, 'cluster', 'HSET', `cluster:${p}:c${p}`, 'id', `c${p}`),
    made(p, 'cluster-items', 'SADD', `cluster:${p}:c${p}:items`, '1', '2'),
    made(p, 'clusters-all', 'ZADD', `clusters:${p}:all`, '1', `c${p}`),
    made(p, 'config', 'SET', `config:sentry:${p}:levels`, '[]'),
    made(p, 'job', 'HSET', `job:j${p}`, 'id', `j${p}`, 'project_id', p, 'cluster_id', `c${p}`),
    made(p, 'job-logs', 'RPUSH', `job:j${p}:logs`, 'a', 'b'),
    made(p, 'cluster-jobs', 'ZADD', `cluster:jobs:c${p}`, '1', `j${p}`),
  ];
}

/** What comes up after the snapshot: it is outside of the snapshot, inside of many scopes. */
const laterOf = (p: string): Made[] => [
  made(p, 'feedback', 'HSET', `feedback:${p}:later`, 'id', 'later'),
  made(p, 'config', 'SET', `config:sentry:${p}:later`, '1'),
  made(p, 'job', 'HSET', `job:later${p}`, 'id', 'later', 'project_id', p, 'cluster_id', `c${p}`),
  made(p, 'job-logs', 'RPUSH', `job:later${p}:logs`, 'a'),
];

const FOREIGN = [
  made(null, 'other', 'SET', 'foreign:feedback:a', 'v'),
  made(null, 'other', 'RPUSH', 'foreign:list', 'x'),
  made(null, 'other', 'SET', '', 'of a key without a name'),
  made(null, 'legacy-feedback', 'HSET', 'feedback:legacy', 'id', 'legacy'),
];
const USERS = made(null, 'user-projects', 'SADD', 'user:projects:u', 'a', 'b', 'c');
const OLD = [...['a', 'b', 'c'].flatMap(projectOf), ...FOREIGN, USERS];
const LATER = [...['a', 'b', 'c'].flatMap(laterOf), made(null, 'other', 'SET', 'foreign:later', 'v')];
const LISTS = new Set([
  'feedback-created',
  'feedback-source',
  'feedback-unclustered',
  'cluster-items',
  'clusters-all',
  'cluster-jobs',
  'user-projects',
]);

interface Kinds {
  readonly projects: string[];
  readonly families: string[];
  readonly matches: string[];
  readonly keys: string[];
}

/** The patterns of the test, as prefixes and suffixes: their meaning is plain without a matcher. */
const PATTERNS: Readonly<Record<string, (key: string) => boolean>> = {
  'feedback:*': (key) => key.startsWith('feedback:'),
  '*later*': (key) => key.includes('later'),
  'job:*': (key) => key.startsWith('job:'),
  'config:sentry:?:levels': (key) => /^config:sentry:.:levels$/.test(key),
  'nothing:*': () => false,
  '*': () => true,
};

function isSelected({ projects, families, matches, keys }: Kinds, { family, key, project }: Made): boolean {
  if (projects.length > 0 && (project === null || !projects.includes(project))) return false;
  if (families.length > 0 && !families.includes(family)) return false;
  if (matches.length > 0 && !matches.some((pattern) => PATTERNS[pattern]?.(key) === true)) return false;
  return keys.length === 0 || keys.includes(key);
}

const some = <T>(values: readonly T[], most: number): fc.Arbitrary<T[]> =>
  fc.oneof(
    { weight: 2, arbitrary: fc.constant<T[]>([]) },
    { weight: 1, arbitrary: fc.uniqueArray(fc.constantFrom(...values), { minLength: 1, maxLength: most }) },
  );

const KINDS: fc.Arbitrary<Kinds> = fc
  .record({
    projects: some(['a', 'b'], 2),
    families: some(
      [
        'feedback',
        'config',
        'job',
        'job-logs',
        'cluster-items',
        'feedback-unclustered',
        'feedback-external',
        'user-projects',
        'other',
      ],
      3,
    ),
    matches: some(Object.keys(PATTERNS), 2),
    keys: some(
      [
        'feedback:a:1',
        'job:ja',
        'cluster:a:ca:items',
        'config:sentry:b:levels',
        'feedback:a:later',
        'foreign:list',
        '',
      ],
      3,
    ),
  })
  .filter((kinds) => Object.values(kinds).some((kind) => kind.length > 0));

/** Deletions and changes since the snapshot, by a number: some keys are gone, some are changed, later ones are there. */
async function harm(redis: Redis, seed: number): Promise<void> {
  const pipeline = redis.pipeline();
  for (const [at, { key, family }] of OLD.entries()) {
    const turn = (at * 7 + seed) % 5;
    if (turn === 0) pipeline.del(key);
    if (turn === 1 && !LISTS.has(family)) pipeline.del(key).set(key, `changed ${at}`);
    if (turn === 2 && family === 'cluster-items') pipeline.sadd(key, 'added');
  }
  for (const { write } of LATER) pipeline.call(...write);
  await pipeline.exec();
}

describe('a restore of a selection', () => {
  let bench: RestoreBench;
  let snapshot = '';
  let whole: Dump = {};
  beforeAll(async () => {
    bench = await openRestoreBench();
    await load();
    whole = await bench.dump();
    snapshot = (await bench.snapshot({ settings: { partBytes: 900 } })).id;
  });
  afterAll(() => bench.stop());

  async function load(): Promise<void> {
    const { redis } = bench.database;
    await redis.flushall();
    const pipeline = redis.pipeline();
    for (const { write } of OLD) pipeline.call(...write);
    await pipeline.exec();
  }

  const noLocks = (dump: Dump): Dump => only(dump, (key) => !key.startsWith('cluster:lock:'));

  /** Whether the snapshot lacks something that the scope names, or all of it. */
  function isLacking(kinds: Kinds): boolean {
    const selected = OLD.filter((each) => isSelected(kinds, each));
    const joins = kinds.projects.length > 0 && isSelected({ ...kinds, projects: [] }, USERS);
    const has = (key: string): boolean => selected.some((each) => each.key === key) || (joins && key === USERS.key);
    const matches = (pattern: string): boolean =>
      OLD.some((each) => isSelected({ ...kinds, matches: [pattern] }, each)) ||
      (joins && PATTERNS[pattern]?.(USERS.key) === true);
    if (!kinds.keys.every(has) || !kinds.matches.every(matches)) return true;
    return selected.length === 0 && !joins;
  }

  const modes = fc.constantFrom<Mode>('replace', 'merge', 'missing');

  it('restores the selection and leaves everything else byte for byte, in every mode, and can be undone', async () => {
    await fc.assert(
      fc.asyncProperty(KINDS, modes, fc.nat(4), async (kinds, mode, seed) => {
        await load();
        await harm(bench.database.redis, seed);
        const before = await bench.dump();
        const scope = kinds as Scope;
        if (isLacking(kinds)) {
          const run = await bench.restore(snapshot, { scope, mode, confirm: snapshot });
          expect(run).toMatchObject({ state: 'failed', error: { code: 'not-found' } });
          expect(run.error?.message).toContain('Nothing was written');
          expect(await bench.dump()).toEqual(before);
          return;
        }
        const run = await bench.restore(snapshot, { scope, mode, confirm: snapshot });
        expect(run.result).toMatchObject({ undo: run.id, proof: { total: { missing: 0, different: 0 } } });
        const after = noLocks(await bench.dump());
        const joins = kinds.projects.length > 0 && isSelected({ ...kinds, projects: [] }, USERS);
        const selected = new Set([...OLD, ...LATER].filter((each) => isSelected(kinds, each)).map(({ key }) => key));
        const isOutside = (key: string): boolean => !selected.has(key) && !(joins && key === USERS.key);
        expect(changes(only(before, isOutside), only(after, isOutside))).toEqual([]);
        if (mode === 'replace') {
          const isInside = (key: string): boolean => selected.has(key);
          expect(changes(only(whole, isInside), only(after, isInside))).toEqual([]);
        } else {
          const gone = OLD.filter(
            ({ key, family }) => selected.has(key) && !LISTS.has(family) && before[key] === undefined,
          );
          expect(gone.filter(({ key, family }) => after[key] !== whole[key] && family !== 'feedback-external')).toEqual(
            [],
          );
          for (const { key } of LATER) expect([key, after[key]]).toEqual([key, before[key]]);
        }
        if (joins) {
          const members = await bench.database.redis.smembers(USERS.key);
          expect(members).toEqual(expect.arrayContaining(kinds.projects));
        }
        const undone = await bench.restore(run.id, { settle: null });
        expect(undone).toMatchObject({ state: 'succeeded', error: null });
        expect(changes(before, noLocks(await bench.dump()))).toEqual([]);
      }),
      { numRuns: 25, examples: [[{ projects: ['a'], families: [], matches: [], keys: [] }, 'replace', 2]] },
    );
  });
});
