import { describe, expect, it } from '@jest/globals';
import { changesAnything, planView } from '../../lib/cli/restore/plan-view.js';
import { restoreCommand } from '../../lib/restore/scope-words.js';
import { reportView } from '../../lib/cli/restore/report-view.js';
import type { DryRunResult, RestoredResult } from '../../lib/restore/result.js';
import { countAction, noPlan } from '../../lib/restore/plan.js';
import { countProof, noProof } from '../../lib/restore/proof.js';
import { rowOf } from './restore-fixture.js';

const ID = '20261122T020000Z-x7k2m9';

const DRY: DryRunResult = {
  snapshot: ID,
  scope: { all: true },
  mode: 'replace',
  expiry: 'keep',
  dryRun: true,
  target: null,
  safety: true,
  settle: true,
  reindex: true,
  undoes: false,
  fromSource: false,
  file: null,
  trigger: 'cli',
  names: {
    database: { source: '1a2b3c4d', label: 'production', host: 'eu1.upstash.io' },
    snapshot: {
      source: '1a2b3c4d',
      label: 'production',
      own: true,
      createdAt: '2026-11-22T02:00:00Z',
      doubts: [],
      unsaved: null,
    },
  },
  accepted: null,
  staysMarked: false,
  plan: noPlan(),
  spent: { commands: 100_000, requests: 200 },
  milliseconds: 1_000,
  restoredMilliseconds: 600,
};

function restored(changes: Partial<RestoredResult> = {}): RestoredResult {
  const proof = noProof();
  for (let key = 0; key < 12; key++) countProof(proof, 'feedback', 'equal');
  return {
    ...DRY,
    dryRun: false,
    undo: 'empty',
    locksTaken: 0,
    removed: 2,
    extras: 0,
    phases: { check: 2_000, 'safety-scan': 60_000, write: 1_000 },
    written: { written: 12, kept: 0, removed: 1, expired: 0, bytes: 2048 },
    proof,
    gone: null,
    projects: [],
    notMarked: null,
    vectors: { state: 'to-do', run: null },
    ...changes,
  };
}

const UNDO = { from: ID, words: restoreCommand(ID, DRY), commands: 50_000 };

describe('a plan', () => {
  it('counts by family and in total, and lists this many keys', () => {
    const plan = noPlan();
    for (let key = 0; key < 1_200; key++) countAction(plan, 'feedback', 'remove');
    countAction(plan, 'cluster', 'same');
    plan.examples.push(
      ...Array.from({ length: 20 }, (_, at) => ({ action: 'remove' as const, key: `feedback:p:${at}` })),
    );
    const text = planView({ ...DRY, plan });
    expect(text.split('\n').filter((line) => /^(cluster|feedback|total) /.test(line))).toHaveLength(3);
    expect(rowOf(text, 'feedback')).toEqual(['-', '-', '-', '-', '-', '1,200']);
    expect(rowOf(text, 'total')).toEqual(['-', '-', '1', '-', '-', '1,200']);
    expect(text).toContain('  feedback:p:9\n  and 1,190 more');
    expect(text).not.toContain('feedback:p:10');
    expect(text).toContain('100,000 commands, at most $0.2000');
  });

  it('says how to read encrypted names', () => {
    const plan = noPlan();
    countAction(plan, 'feedback', 'overwrite');
    plan.examples.push({ action: 'overwrite', key: { age: 'c2VhbGVk' } });
    expect(planView({ ...DRY, plan })).toMatch(/Keys to overwrite:\n {2}\(encrypted\)\n\n.*BACKUP_AGE_IDENTITY/);
  });

  it('that changes nothing says so in a sentence, for the scope that was compared', () => {
    const plan = noPlan();
    countAction(plan, 'feedback', 'same');
    countAction(plan, 'feedback', 'keep');
    countAction(plan, 'feedback', 'expired');
    expect(changesAnything(plan)).toBe(false);
    const text = (changes: Partial<DryRunResult>): string => planView({ ...DRY, plan, ...changes });
    expect(text({})).toMatch(
      /^The database eu1\.upstash\.io \(production\) already equals the snapshot: nothing would change\. 1 key of/,
    );
    expect(text({ scope: { project: 'p1' }, target: 'scratch' })).toMatch(
      /^Target scratch \(eu1\.upstash\.io\) already equals the snapshot for project p1: /,
    );
    expect(text({ mode: 'missing' })).toMatch(/^Nothing would change.* 1 key differ.* mode missing leaves/);
  });

  it.each(['write', 'overwrite', 'remove'] as const)('to %s a key changes something', (action) => {
    const plan = noPlan();
    countAction(plan, 'feedback', action);
    expect(changesAnything(plan)).toBe(true);
  });

  it('to put the project on a list changes something', () => {
    expect(changesAnything({ ...noPlan(), usersJoined: 1 })).toBe(true);
  });
});

describe('a report', () => {
  it('counts what was done, and includes the cost of the safety snapshot', () => {
    const text = reportView(restored(), UNDO);
    expect(text).toMatch(
      /^Restored snapshot \S+ \(production\) \(everything, mode replace\) into the database eu1\.upstash\.io \(production\)\.\n/,
    );
    for (const line of [
      /written +12 keys, 2\.0 KiB/,
      /removed +3 keys/,
      /proof +12 keys equal, 0 missing, 0 different/,
      new RegExp(`undo +npx soulcaster-backup restore ${ID} --env-file \\.env$`, 'm'),
      /commands +100,000 in 200 requests, 50,000 more to save the previous state, at most \$0\.3000/,
      /restored +in 0\.6 s, within the objective of 4 h/,
      /time +1\.0 s including the proof/,
      /saving the current data +1 min 0 s/,
    ])
      expect(text).toMatch(line);
    expect(text).not.toMatch(/newer|kept|expired|locks|Next:/);
  });

  it('names the lists that got members beside the keys that were written', () => {
    const plan = noPlan();
    for (let list = 0; list < 2; list++) countAction(plan, 'cluster-items', 'write');
    const written = { written: 0, kept: 0, removed: 0, expired: 0, bytes: 0 };
    const text = reportView(restored({ mode: 'merge', plan, written, united: { lists: 2, members: 19 } }), UNDO);
    expect(text).toMatch(/written +0 keys, 0 B \(planned, with lists: 2 absent, 0 different\)/);
    expect(text).toMatch(/united +2 lists, which got 19 members/);
    expect(reportView(restored({ united: { lists: 0, members: 0 } }), UNDO)).not.toContain('united');
  });

  it('tells of what is out of the ordinary', () => {
    const text = reportView(restored({ extras: 3, locksTaken: 1, restoredMilliseconds: 5 * 3_600_000 }), null);
    expect(text).toMatch(/newer +3 keys not in the snapshot/);
    expect(text).toMatch(/locks +1 taken/);
    expect(text).toContain('OVER the objective');
  });

  it('starts with the failed proof, and lists the keys that failed', () => {
    const proof = noProof();
    countProof(proof, 'feedback', 'missing');
    proof.examples.push({ verdict: 'missing', key: 'feedback:p:1', difference: null });
    const text = reportView(restored({ proof }), UNDO);
    expect(text).toMatch(/^NOT PROVEN: snapshot/);
    expect(text).not.toContain('Restored');
    expect(rowOf(text, 'feedback:p:1')).toEqual(['missing']);
  });

  it('starts with the loss of proven keys', () => {
    const text = reportView(restored({ gone: { proven: 12, there: 0 } }), UNDO);
    expect(text).toMatch(/^NOT PROVEN: snapshot/);
    expect(text).toContain('at the end the target held only 0 keys, fewer than the 12 expected');
  });

  it('and a plan say that a snapshot of an unfinished restore leaves the database marked', () => {
    const sentence = `Snapshot ${ID} was taken during an unfinished restore, so the database stays marked`;
    expect(reportView(restored({ staysMarked: true }), UNDO)).toContain(sentence);
    expect(planView({ ...DRY, staysMarked: true })).toContain(sentence);
    expect(planView(DRY)).not.toContain(sentence);
  });

  it('shows every project with a fault, and some of the others', () => {
    const sound = { feedback: 1, clusters: 1, loads: true, violations: [], backend: 'agrees' as const };
    const projects = Array.from({ length: 30 }, (_, at) => ({ ...sound, project: `sound-${at}` }));
    const origin = { inSnapshot: 1, before: 0, fresh: 1, unknown: 0 };
    const violations = [{ rule: 'created-without-hash', count: 2, examples: ['a', 'b'], ...origin }];
    const faulty = { ...sound, project: 'faulty', loads: false, violations, backend: 'differs' as const };
    const text = reportView(restored({ projects: [...projects, faulty] }), UNDO);
    expect(rowOf(text, 'faulty')).toEqual(['1', '1', 'NO', '2', 'differs']);
    expect(text).toContain('faulty: items listed by time have no hash (2: a, b): 1 NEW, 1 in the snapshot');
    expect(text.match(/^sound-/gm)).toHaveLength(20);
    expect(text).toContain('and 10 projects without a fault');
    expect(text).toContain('re-index the vectors of all 31 projects');
  });
});

describe('the next step for the vectors', () => {
  const project = { project: 'p1', feedback: 1, clusters: 1, loads: true, violations: [], backend: 'agrees' as const };
  it.each([
    ['started', ID, `Run ${ID} re-indexes the vectors of the project now.`],
    ['busy', ID, `Run ${ID} is using the index`],
    ['failed', null, 'The re-index could not be started'],
    ['to-do', null, 'Next: re-index the vectors of the project.'],
    ['not-configured', null, 'Next: re-index the vectors of the project.'],
  ] as const)('is told when it is %s', (state, run, words) => {
    expect(reportView(restored({ projects: [project], vectors: { state, run } }), UNDO)).toContain(words);
  });

  it('is not shown when the re-index is turned off', () => {
    const vectors = { state: 'skipped' as const, run: null };
    expect(reportView(restored({ projects: [project], vectors }), UNDO)).not.toContain('re-index');
  });
});
