import { describe, expect, it } from '@jest/globals';
import type { DrillView } from '../../lib/monitoring/drill-view.js';
import type { Facts } from '../../lib/monitoring/facts.js';
import { projectTime, recoveryTimeOf } from '../../lib/monitoring/objectives.js';
import type { RunRecord } from '../../lib/runs/model.js';
import { newId } from '../../lib/runs/ids.js';
import type { NamespaceModel } from '../../lib/soulcaster/index-models.js';
import type { CatalogEntry } from '../../lib/snapshot/catalog.js';

import { codes, drill, find, HOUR, NOW, pointOf, run, snapshot } from './facts-fixture.js';

describe('vectors of another model than is configured', () => {
  const place = { index: 'a'.repeat(16), suffix: '' };
  const recipe = { model: 'gemini-embedding-001', dimensions: 768, cutCodePoints: 1500, textRule: 1 };
  const made = (project: string, changes: object = {}): NamespaceModel => {
    return { ...place, ...recipe, project, provenAt: new Date(NOW).toISOString(), run: 'x', mixed: false, ...changes };
  };
  const told = (namespaces: NamespaceModel[], configured: object | null = {}): string[] => {
    const models = { namespaces, besides: [] };
    const index = configured === null ? null : { place, recipe: { ...recipe, ...configured } };
    return find({ models }, { index }).conditions.map(({ message }) => message);
  };

  it('are reported with their number, for any difference of the recipe', () => {
    expect(told([made('a'), made('b')])).toEqual([]);
    expect(told([made('a'), made('b')], null)).toEqual([]);
    for (const other of [{ model: 'gemini-embedding-2' }, { dimensions: 512 }, { cutCodePoints: 0 }, { textRule: 2 }]) {
      expect(told([made('a'), made('b')], other)).toEqual([expect.stringContaining('2 of 2 namespaces')]);
      expect(told([made('a'), made('b', other)])).toEqual([expect.stringContaining('1 of 2 namespaces')]);
    }
    const mixed = made('a', { mixed: true });
    expect(told([mixed])).toEqual([expect.stringContaining('may be of two models')]);
    const during = (state: RunRecord['state']) => {
      const index = { place, recipe };
      const runs = [run('reindex', state, { id: mixed.run })];
      return find({ models: { namespaces: [mixed], besides: [] }, runs }, { index }).conditions.map(({ hint }) => hint);
    };
    expect(during('waiting')).toEqual([
      expect.stringContaining(`\`npx soulcaster-backup run ${mixed.run} --env-file .env\``),
    ]);
    expect(during('failed')).toContainEqual(expect.stringContaining(`reindex --retry ${mixed.run} --env-file .env`));
    // What is built beside, or stands in another index, is not searched by the application.
    expect(told([made('a', { suffix: '-2', model: 'gemini-embedding-2' })])).toEqual([]);
    expect(told([made('a', { index: 'b'.repeat(16), model: 'gemini-embedding-2' })])).toEqual([]);
  });
});

describe('keys that no snapshot can hold', () => {
  const withVectors = snapshot(1);
  const unsupported = { count: 6, keys: [], types: { vectorset: 5, 'MBbloom--': 1 } };
  const { manifest } = withVectors;
  if (manifest === null) throw new Error('a snapshot without a manifest');
  const entries = [{ ...withVectors, manifest: { ...manifest, ledger: { ...manifest.ledger, unsupported } } }];

  it('are reported until their types are left out', () => {
    expect(codes({ entries })).toEqual(['keys-unsupported']);
    expect(codes({ entries }, { skipTypes: ['vectorset'] })).toEqual(['keys-unsupported']);
    expect(codes({ entries }, { skipTypes: ['VECTORSET', 'MBbloom--'] })).toEqual([]);
    expect(codes({ entries: [snapshot(0.5), ...entries] })).toEqual([]);
  });
});

describe('the recovery point', () => {
  it.each<[string, CatalogEntry[], string[]]>([
    ['young', [snapshot(13.9)], []],
    ['old', [snapshot(14.1)], ['rpo-at-risk']],
    ['too old', [snapshot(24)], ['rpo-breached']],
    ['none', [], ['rpo-breached']],
    ['incomplete', [snapshot(1, { state: 'incomplete' })], ['rpo-breached']],
    ['not verified', [snapshot(1, { verification: null })], ['rpo-breached']],
    ["a restore's own", [snapshot(1, { purpose: 'safety' })], ['rpo-breached']],
    ['damaged, and one before it', [snapshot(1, { verification: 'damaged' }), snapshot(5)], ['snapshot-damaged']],
    ['from the future, and an old one', [snapshot(-3), snapshot(15)], ['rpo-at-risk', 'clock-suspicious']],
    ['from the future alone', [snapshot(-3)], ['rpo-breached', 'clock-suspicious']],
    ['a minute ahead', [snapshot(-1 / 60)], []],
  ])('is evaluated if the newest is %s', (_, entries, expected) => {
    expect(codes({ entries })).toEqual(expected);
  });

  it('has no negative age, and no age if it is unknown', () => {
    expect(pointOf([snapshot(-1 / 60)], [])).toMatchObject({ ageHours: 0, met: true });
    expect(pointOf([snapshot(-1)], [])).toMatchObject({ ageHours: null, met: false, newest: null });
  });

  it('is as old as a later run that is dated before it', () => {
    const [ahead, behind] = [snapshot(2), snapshot(20)];
    const run = (id: string, firstFence: number, lease = 'database', fence = firstFence) =>
      ({ id, lease, fence, firstFence }) as RunRecord;
    const own = [run(ahead.id, 7), run(behind.id, 5)];
    const ageOf = (...runs: RunRecord[]) => pointOf([ahead, behind], runs);
    expect(ageOf(...own)).toMatchObject({ ageHours: 2, newest: ahead });
    const later = newId(NOW - 15 * HOUR);
    expect(ageOf(...own, run(later, 8))).toMatchObject({ ageHours: 15, newest: ahead });
    expect(ageOf(...own, run(later, 6)).ageHours).toBe(2);
    expect(ageOf(...own, run(later, 8, 'reindex')).ageHours).toBe(2);
    const back = run(newId(NOW - 30 * HOUR), 8);
    expect(pointOf([ahead], [run(ahead.id, 7), back])).toMatchObject({ ageHours: 30, met: false });
    // Two that agree about the order may both be of the clock that was ahead, until a run after the other one agrees with them.
    expect(ageOf(...own, back)).toMatchObject({ ageHours: 30, met: false, newest: ahead });
    expect(ageOf(...own, back, run(newId(NOW - HOUR), 9))).toMatchObject({ ageHours: 2, newest: ahead });
    expect(ageOf(run(later, 8)).ageHours).toBe(2);
    // One that was started before it, and went on after it, says nothing.
    expect(ageOf(...own, run(later, 6, 'database', 8)).ageHours).toBe(2);
  });

  it('is doubtful while more than half of the keys of the week are gone', () => {
    const shrunk = [snapshot(1, { keys: 49 }), snapshot(13, { keys: 49 }), snapshot(25)];
    expect(codes({ entries: shrunk })).toEqual(['snapshot-doubtful']);
    const messageOf = (entries: CatalogEntry[]) => find({ entries }).conditions.map(({ message }) => message);
    expect(messageOf(shrunk)).toEqual(messageOf(shrunk.slice(1)));
    expect(codes({ entries: [snapshot(1, { keys: 50 }), snapshot(13)] })).toEqual([]);
    expect(codes({ entries: [snapshot(1, { keys: 49 }), snapshot(8 * 24)] })).toEqual([]);
  });

  it('is not suspicious any more once a snapshot with few keys was accepted, until more than half of those are gone', () => {
    const few = snapshot(13, { keys: 49 });
    const accepted = {
      ...{ snapshot: few.id, manifestSha256: few.sha256 },
      ...{ reason: 'meant', at: few.id, by: 'ops' },
    };
    const before = [{ ...few, accepted }, snapshot(25)];
    expect(codes({ entries: before })).toEqual([]);
    expect(codes({ entries: [snapshot(1, { keys: 49 }), ...before] })).toEqual([]);
    expect(codes({ entries: [snapshot(1, { keys: 24 }), ...before] })).toEqual(['snapshot-doubtful']);
  });
});

describe('drills', () => {
  const passed = (days: number, rest: Partial<DrillView> = {}) => {
    const last = drill(days, 'passed', rest);
    return { drills: [last], lastPassed: last };
  };
  const broken = drill(1, 'failed', { reason: 'it stopped before it reached a verdict: run x' });
  it.each<[string, Partial<Facts>, boolean, string[]]>([
    ['none, and none wanted', { entries: [snapshot(1), snapshot(30 * 24)] }, false, []],
    ['none, for long', { entries: [snapshot(1), snapshot(10 * 24)] }, true, ['drill-overdue']],
    ['none, not yet', { entries: [snapshot(1), snapshot(8 * 24)] }, true, []],
    ['passed', passed(8), true, []],
    ['passed long ago, and the scratch database is gone', passed(9), false, ['drill-overdue']],
    ['failed', { drills: [drill(1, 'failed', { reason: 'x' })] }, true, ['drill-failed']],
    ['broke off', { drills: [broken] }, true, ['drill-failed']],
    [
      'failed, and passed in the future of a clock that was ahead',
      { drills: [drill(-3, 'passed'), drill(1, 'failed')] },
      true,
      ['drill-failed'],
    ],
    ['inconclusive since', { drills: [drill(1, 'inconclusive'), ...passed(10).drills] }, true, ['drill-overdue']],
    ['too slow', passed(1, { milliseconds: 4 * HOUR + 1 }), true, ['rto-breached']],
    ['dated in the future', { entries: [snapshot(1), snapshot(10 * 24)], ...passed(-30) }, true, ['drill-overdue']],
  ])('are reported: %s', (_, facts, hasScratch, expected) =>
    expect(codes(facts, { drilledBy: hasScratch ? 'guard' : null })).toEqual(expected),
  );

  it('scale the time by keys, never below the drill or the rate limit', () => {
    const of = (keys: number, milliseconds: number | null, restoredMilliseconds: number | null, size: number) => {
      const projected = projectTime({ keys, milliseconds, restoredMilliseconds }, size);
      return projected === null ? null : [projected.restoredMilliseconds, projected.provenMilliseconds];
    };
    expect(of(100, 1000, 400, 300)).toEqual([1200, 3000]);
    expect(of(100, 1000, 400, 50)).toEqual([400, 1000]);
    expect(of(1_000_000, 10, 4, 1_000_000)).toEqual([100_000, 260_000]);
    expect(of(0, 5, 2, 0)).toEqual([2, 5]);
    expect(of(100, 1000, null, 100)).toEqual([1000, 1000]);
    expect(of(100, null, null, 100)).toBeNull();
  });

  it('compare the time to service with the objective, and project the time to proof and larger sizes', () => {
    const last = drill(1, 'passed', { keys: 1_000_000, milliseconds: 5 * HOUR, restoredMilliseconds: 3 * HOUR });
    const time = recoveryTimeOf(last, 1_000_000);
    expect(time).toMatchObject({ met: true, projectedMilliseconds: 3 * HOUR, projectedProvenMilliseconds: 5 * HOUR });
    expect(time.projections).toEqual([
      { keys: 10_000_000, restoredMilliseconds: 30 * HOUR, provenMilliseconds: 50 * HOUR },
      { keys: 100_000_000, restoredMilliseconds: 300 * HOUR, provenMilliseconds: 500 * HOUR },
    ]);
    expect(recoveryTimeOf(null, 10)).toMatchObject({ met: null, projectedMilliseconds: null, projections: [] });
  });
});

describe('the guard', () => {
  it('is silent after 25 hours without a call, or if it never ran', () => {
    const at = (hours: number) => ({ guardRanAt: new Date(NOW - hours * HOUR).toISOString() });
    expect([codes({}, at(24.9)), codes({}, at(25)), codes({}, at(-5))]).toEqual([[], ['guard-silent'], []]);
    const never = { guardRanAt: null };
    expect(codes({}, never)).toEqual([]);
    expect(codes({ entries: [snapshot(1), snapshot(30)] }, never)).toEqual(['guard-silent']);
  });
});
