import { afterAll, beforeAll, beforeEach, expect, it } from '@jest/globals';
import type { Mode } from '../../lib/restore/model.js';
import { changes, type Dump } from '../support/dumps.js';
import { describeEngines } from '../support/describe-engines.js';
import { openRestoreBench, type RestoreBench } from '../support/restore-bench.js';

const PROJECT = 'p';
/** A key of each kind; the first three are the project's. */
const SAME = ['feedback:p:same', 'same'];
const CHANGED = ['feedback:p:changed', 'changed', 'retyped', 'expiring'];
const GONE = ['feedback:p:gone', 'gone'];
const LATER = ['feedback:p:later', 'later'];

/** What becomes of a key that changed, that is gone and that came up later. */
const RULES: readonly (readonly [Mode, { changed: 'old' | 'new'; gone: 'old' | 'new'; later: 'old' | 'new' }])[] = [
  ['replace', { changed: 'old', gone: 'old', later: 'old' }],
  ['merge', { changed: 'old', gone: 'old', later: 'new' }],
  ['missing', { changed: 'new', gone: 'old', later: 'new' }],
];

await describeEngines('a mode', ({ program }) => {
  let bench: RestoreBench;
  let snapshot = '';
  let old: Dump = {};
  beforeAll(async () => {
    bench = await openRestoreBench({ program });
  });
  afterAll(() => bench.stop());
  beforeEach(async () => {
    const { redis } = bench.database;
    await redis.flushall();
    await redis.hset('project:p', { id: PROJECT, user_id: 'u' });
    for (const key of [...SAME, ...CHANGED, ...GONE]) await redis.hset(key, 'id', key);
    await redis.pexpireat('expiring', Date.parse('2099-01-01T00:00:00Z'));
    old = await bench.dump();
    snapshot = (await bench.snapshot()).id;
    for (const key of CHANGED) await redis.hset(key, 'id', 'since changed');
    await redis.del('retyped', ...GONE);
    await redis.rpush('retyped', 'of another type');
    await redis.persist('expiring');
    for (const key of LATER) await redis.set(key, 'later');
  });

  const isProjects = (key: string): boolean => key.includes(PROJECT + ':') || key === 'project:p';
  const ruleOf = (rule: (typeof RULES)[number][1], key: string): 'old' | 'new' => {
    if (CHANGED.includes(key)) return rule.changed;
    if (GONE.includes(key)) return rule.gone;
    return LATER.includes(key) ? rule.later : 'old';
  };

  it.each(RULES)('%s reports what happens to each key in a restore of everything', async (mode, rule) => {
    const now = await bench.dump();
    const run = await bench.restore(snapshot, { mode, confirm: mode === 'replace' ? snapshot : null });
    expect(run).toMatchObject({ state: 'succeeded', error: null });
    const expected = pick({ ...old, ...now }, (key) => (ruleOf(rule, key) === 'old' ? old[key] : now[key]));
    expect(changes(expected, await bench.dump())).toEqual([]);
    const keeps = rule.changed === 'new' ? CHANGED.length : 0;
    const removes = rule.later === 'old' ? LATER.length : 0;
    expect(run.result).toMatchObject({
      mode,
      removed: removes,
      extras: 0,
      plan: { total: { write: 2, overwrite: CHANGED.length - keeps, same: 3, keep: keeps, remove: removes } },
      proof: { total: { equal: 9 - keeps, kept: keeps, missing: 0, different: 0 } },
    });
  });

  it.each(RULES)('%s reports the same for one project and leaves the rest unchanged', async (mode, rule) => {
    const now = await bench.dump();
    const run = await bench.restore(snapshot, { mode, scope: { project: PROJECT }, confirm: null });
    expect(run).toMatchObject({ state: 'succeeded', error: null });
    const expected = pick({ ...old, ...now }, (key) =>
      isProjects(key) && ruleOf(rule, key) === 'old' ? old[key] : now[key],
    );
    expect(changes(expected, await bench.dump())).toEqual(['user:projects:u']);
    expect(await bench.database.redis.smembers('user:projects:u')).toEqual([PROJECT]);
  });

  it('missing never overwrites a key that is created after the plan', async () => {
    let came = false;
    const redis = {
      ...bench.port,
      transaction: async (commands: Parameters<typeof bench.port.transaction>[0]) => {
        if (!came && commands.some(([name]) => name === 'RENAMENX')) {
          came = true;
          await bench.database.redis.set('gone', 'just now');
        }
        return bench.port.transaction(commands);
      },
    };
    const run = await bench.restore(snapshot, { mode: 'missing' }, { redis });
    expect(came).toBe(true);
    expect(run).toMatchObject({ state: 'succeeded', result: { proof: { total: { kept: 5 } } } });
    expect(await bench.database.redis.get('gone')).toBe('just now');
    expect(await bench.database.redis.hget('feedback:p:gone', 'id')).toBe('feedback:p:gone');
  });
});

function pick(keys: Dump, valueOf: (key: string) => string | undefined): Dump {
  const entries = Object.keys(keys).map((key): [string, string | undefined] => [key, valueOf(key)]);
  return Object.fromEntries(entries.filter((entry): entry is [string, string] => entry[1] !== undefined));
}
