import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { Plan } from '../../lib/restore/plan.js';
import type { Scope } from '../../lib/restore/model.js';
import type { RunRecord } from '../../lib/runs/model.js';
import { classifyKey } from '../../lib/soulcaster/keys.js';
import { changes, type Dump } from '../support/dumps.js';
import { openRestoreBench, type RestoreBench } from '../support/restore-bench.js';
import { keep } from '../support/test-database.js';
import { loadProjects, ruin, type Workspace } from './project-data.js';

describe('a dry run', () => {
  let bench: RestoreBench;
  let data: Workspace;
  let snapshot = '';
  let bringBack: () => Promise<void>;
  beforeAll(async () => {
    bench = await openRestoreBench();
    data = await loadProjects(bench);
    snapshot = (await bench.snapshot()).id;
    bringBack = await keep(bench.database.redis);
  });
  afterAll(() => bench.stop());
  beforeEach(async () => {
    await bringBack();
    await ruin(bench.database.redis, data);
    await bench.database.redis.set('a stranger', 'that came later');
  });

  const scopeOf = (which: string): Scope => (which === 'project' ? { project: data.project } : { all: true });
  /** The plan, its examples in one order: lists are compared beside other keys, and whichever is done first is named first. */
  const planOf = (run: RunRecord): Plan => {
    const { plan } = run.result as unknown as { plan: Plan };
    const nameOf = (example: object): string => JSON.stringify(example);
    return { ...plan, examples: plan.examples.toSorted((a, b) => (nameOf(a) < nameOf(b) ? -1 : 1)) };
  };

  it.each([
    ['all', 'replace'],
    ['all', 'merge'],
    ['all', 'missing'],
    ['project', 'replace'],
    ['project', 'missing'],
  ] as const)('of %s in mode %s writes nothing, and tells what a run then does', async (which, mode) => {
    const ask = { scope: scopeOf(which), mode };
    // What is of another type where a list was is refused in this mode.
    if (mode === 'missing') await bench.database.redis.del(`github:repos:${data.project}`);
    const [before, writes] = [await bench.dump(), bench.writes()];
    const dry = await bench.restore(snapshot, { ...ask, dryRun: true, confirm: null });
    expect(dry).toMatchObject({ state: 'succeeded', error: null, result: { dryRun: true, snapshot } });
    expect(bench.writes()).toBe(writes);
    expect(changes(before, await bench.dump())).toEqual([]);

    const run = await bench.restore(snapshot, ask);
    expect(run.state).toBe('succeeded');
    expect(planOf(dry)).toEqual(planOf(run));
    const shared = (key: string): boolean => which === 'project' && key.startsWith('user:projects:');
    expect(done(planOf(dry))).toEqual(counted(before, await bench.dump(), shared));
    expect(planOf(dry).total.overwrite + planOf(dry).total.write).toBeGreaterThan(3);
    expect(planOf(dry).usersJoined).toBe(which === 'project' ? 1 : 0);
  });

  it('names keys that it would overwrite or remove', async () => {
    const dry = await bench.restore(snapshot, { scope: { project: data.project }, dryRun: true });
    const { examples } = planOf(dry);
    const named = (action: string) => examples.flatMap((each) => (each.action === action ? [each.key] : []));
    expect(named('overwrite')).toContain(`github:repos:${data.project}`);
    expect(named('remove')).toEqual(expect.arrayContaining(['job:later-job', 'job:later-job:logs']));
  });

  it('leaves nothing behind in the store but its run', async () => {
    const dry = await bench.restore(snapshot, { dryRun: true });
    const left: string[] = [];
    for await (const { name } of bench.folder.store.list(`runs/${dry.id}/`)) left.push(name);
    expect(left.filter((name) => name.includes('/source/'))).toEqual([]);
    expect(left).toContain(`runs/${dry.id}/run.json`);
    expect(await bench.folder.store.read(`snapshots/${dry.id}/manifest.json`)).toBeNull();
  });

  it('needs no confirmation, and neither waits for a restore nor blocks one', async () => {
    const started = await bench.start(snapshot);
    if (!started.started) throw new Error(started.holder);
    expect(await bench.restore(snapshot, { dryRun: true, confirm: null })).toMatchObject({ state: 'succeeded' });
    const dry = await bench.start(snapshot, { dryRun: true });
    expect(dry.started).toBe(true);
    expect(await bench.work(started.run.id)).toMatchObject({ state: 'succeeded' });
  });
});

type Changes = Record<string, { write: number; overwrite: number; remove: number }>;

/** What a plan says will change, by family, without families in which nothing does. */
function done({ byFamily }: Plan): Changes {
  const entries = Object.entries(byFamily).map(([family, { write, overwrite, unite, remove }]) => {
    // A list that is united is a key that differs afterwards.
    return [family, { write, overwrite: overwrite + unite, remove }] as const;
  });
  return Object.fromEntries(entries.filter(([, { write, overwrite, remove }]) => write + overwrite + remove > 0));
}

/** The same, counted from the database before and after. */
function counted(before: Dump, after: Dump, apart: (key: string) => boolean): Changes {
  const found: Changes = {};
  for (const key of changes(before, after).filter((name) => !apart(name))) {
    const { family } = classifyKey(Buffer.from(key, 'latin1').toString('utf8'));
    const tally = (found[family] ??= { write: 0, overwrite: 0, remove: 0 });
    if (before[key] === undefined) tally.write += 1;
    else if (after[key] === undefined) tally.remove += 1;
    else tally.overwrite += 1;
  }
  return found;
}
