import { describe, expect, it } from '@jest/globals';
import { kindView, runView } from '../../lib/http/run-view.js';
import type { Json } from '../../lib/json.js';
import { RUN_KINDS } from '../../lib/run-kinds.js';
import { newRecord } from '../../lib/runs/records.js';
import { noPlan } from '../../lib/restore/plan.js';
import fc from '../support/fast-check.js';

const SNAPSHOT = '20261122T020000Z-x7k2m9';
const INPUT = {
  snapshot: SNAPSHOT,
  scope: { project: 'p1' },
  mode: 'replace',
  expiry: 'keep',
  dryRun: true,
  target: null,
  safety: true,
  settle: true,
  trigger: 'admin',
};

const NAMES = {
  database: { source: 'a1b2', label: null },
  snapshot: { source: 'a1b2', label: null, own: true, createdAt: '2026-11-22T02:00:00Z', doubts: [], unsaved: null },
};

function viewOf(changes: object, result: object = {}) {
  const definition = { kind: 'restore', lease: 'dry-run', firstPhase: 'open', words: {}, phases: {} } as const;
  const progress = { done: 0, total: null, unit: 'keys', bytes: 0 } as const;
  const record = newRecord(
    '20261124T020000Z-x7k2m9',
    definition,
    { kind: 'restore', input: INPUT, checkpoint: null, progress },
    1,
    0,
  );
  const plan = { ...noPlan(), ...changes };
  const spent = { commands: 1000, requests: 9 };
  const whole = { ...INPUT, names: NAMES, plan, spent, milliseconds: 1, ...result };
  return runView({ ...record, state: 'succeeded', result: JSON.parse(JSON.stringify(whole)) as Json });
}

describe('a plan as the API shows it', () => {
  it('describes what its counts do not show: erased data, jobs to fail, lists and users', () => {
    const { notes } = viewOf({
      erased: { feedback: 3, job: 1 },
      failsWork: { job: 2 },
      lists: { ...noPlan().lists, added: 4, moved: 1 },
      goneClusters: 1,
      usersJoined: 1,
    });
    expect(notes).toEqual([
      expect.stringMatching(/on the erasure list: 4 keys of the snapshot \(feedback 3, job 1\)/),
      expect.stringContaining('2 jobs that were running become failed'),
      expect.stringContaining('Members added to lists'),
      expect.stringContaining('Members moved'),
      expect.stringContaining('no longer exists'),
      'The project is put on the list of 1 user.',
    ]);
  });

  it('begins with a doubtful or incomplete snapshot', () => {
    const names = {
      ...NAMES,
      snapshot: {
        ...NAMES.snapshot,
        doubts: ['the database had lost most of its keys'],
        unsaved: '3 keys of a type that no snapshot can hold',
      },
    };
    expect(viewOf({ usersJoined: 2 }, { names, staysMarked: true }).notes).toEqual([
      `Snapshot ${SNAPSHOT} is doubtful: the database had lost most of its keys.`,
      expect.stringContaining('stays marked'),
      expect.stringContaining('3 keys of a type'),
      'The project is put on the list of 2 users.',
    ]);
  });

  it('says of a snapshot that was accepted who accepted it, and why', () => {
    const names = { ...NAMES, snapshot: { ...NAMES.snapshot, doubts: ['it has 76 keys, there were 226'] } };
    const accepted = { at: '2026-11-28T11:00:00Z', by: 'ops', reason: 'wanted' };
    expect(viewOf({}, { names, accepted }).notes).toEqual([
      `Snapshot ${SNAPSHOT} was accepted at 2026-11-28T11:00:00Z by ops: wanted. Its doubts: it has 76 keys, there were 226.`,
    ]);
  });

  it('has no notes without a reason, and without a plan', () => {
    expect(viewOf({}).notes).toEqual([]);
    expect(viewOf({}, { plan: null }).notes).toEqual([]);
  });

  it('has the cost', () => {
    expect(viewOf({}).cost).toEqual({ commands: 1000, tokens: null, estimatedUsd: 0.002 });
  });
});

describe('the end of a run as the API shows it', () => {
  const kinds = fc.constantFrom(...RUN_KINDS.map(({ kind }) => kind), 'of-another-version');
  const results = fc.oneof(fc.constant(null), fc.dictionary(fc.string(), fc.jsonValue())) as fc.Arbitrary<Json>;

  it('is described in figures and a sentence, whatever the result contains', () => {
    fc.assert(
      fc.property(kinds, results, (kind, result) => {
        const { ended, figures } = kindView({ kind, state: 'succeeded', error: null, result });
        expect(ended).toEqual(expect.any(String));
        for (const [name, words] of figures) expect([typeof name, typeof words]).toEqual(['string', 'string']);
      }),
    );
  });

  it('is a success, or says why not', () => {
    const taken = { kind: 'snapshot', state: 'succeeded', error: null, result: { keys: 1 } } as const;
    expect(kindView(taken).ended).toBe('Done: 1 key saved and read back');
    // What was done as it should be, and yet is not what was wanted.
    const doubt = { code: 'doubtful', message: 'Snapshot s is doubtful: 1 key, 300 before', hint: '' };
    expect(kindView({ ...taken, error: doubt }).ended).toBe(doubt.message);
    const error = { code: 'x', message: 'why', hint: '' };
    expect(kindView({ kind: 'drill', state: 'failed', error, result: null }).ended).toBe('why');
    expect(kindView({ kind: 'drill', state: 'failed', error: null, result: null }).ended).toBe('The reason is unknown');
    expect(kindView({ kind: 'drill', state: 'running', error: null, result: null }).ended).toBeNull();
  });
});
