import { coversScope, fieldsOf, figure, type RunTraits } from '../runs/traits.js';
import { costOfCommands } from '../snapshot/kinds.js';
import { scopeOf, scopeWords } from './scope-words.js';

export const RESTORE: RunTraits = {
  kind: 'restore',
  title: 'restore',
  plural: 'Restores',
  words: {
    open: 'opening the snapshot',
    check: 'checking the snapshot',
    survey: 'checking the snapshot',
    abilities: 'checking what the target can do',
    plan: 'comparing with the current data',
    live: 'finding newer keys',
    weigh: 'making the plan',
    conclude: 'finishing',
    condemn: 'finishing',
    'safety-scan': 'saving the current data',
    'safety-recheck': 'reading the key names again',
    'safety-check': 'checking the safety snapshot',
    'safety-seal': 'finalizing the safety snapshot',
    fence: 'locking the projects',
    write: 'writing',
    place: 'finding the lists of each member',
    written: 'preparing the lists',
    unite: 'uniting lists',
    remove: 'removing newer keys',
    prove: 'proving every key',
    extras: 'counting left-over keys',
    inspect: 'checking the projects',
    report: 'finishing',
  },
  evaluated: true,
  alert: {
    code: 'restore-failed',
    states: ['failed'],
    makesGood: (later, { input }) =>
      (later['target'] ?? null) === (input['target'] ?? null) && coversScope(later['scope'], input['scope']),
  },
  figures({ extras, milliseconds, mode, proof, removed, scope: stored, written }) {
    const scope = scopeOf(stored);
    const { different, equal, missing } = fieldsOf(fieldsOf(proof)['total']);
    return [
      ...(scope === null ? [] : figure.text('Of', scopeWords(scope))),
      ...figure.text('Mode', mode),
      ...figure.count('Keys written', fieldsOf(written)['written']),
      ...figure.count('Keys removed', removed),
      ...figure.count('Proven equal', equal),
      ...figure.some('Missing', missing),
      ...figure.some('Different', different),
      ...figure.some('Left over', extras),
      ...figure.time('Took', milliseconds),
    ];
  },
  done: ({ proof }) =>
    proof === undefined ? 'This is the plan: nothing was changed' : 'Done: every key was compared with the snapshot',
  cost: ({ spent }) => costOfCommands(fieldsOf(spent)['commands']),
  aim({ dryRun, target }) {
    if (dryRun === true) return 'DRY RUN';
    return typeof target === 'string' ? `into ${target}` : 'LIVE';
  },
  ifCancelled: ({ dryRun }) =>
    dryRun === true
      ? null
      : 'What it has written stays, and the database is marked as unfinished until a restore of the same scope succeeds.',
};

/** All phases of a restore, into a scratch database. */
export const DRILL: RunTraits = {
  kind: 'drill',
  title: 'restore drill',
  plural: 'Drills',
  words: { prepare: 'emptying the scratch database', ...RESTORE.words },
  evaluated: true,
  figures: ({ keys, milliseconds, outcome, reason, snapshot }) => [
    ...figure.text('Outcome', outcome),
    ...figure.text('Because', reason),
    ...figure.text('Snapshot', snapshot),
    ...figure.count('Keys', keys),
    ...figure.time('Took', milliseconds),
  ],
  ifCancelled: () => 'What it has restored stays in the scratch database until the next drill empties it.',
  cost: ({ restore }) => costOfCommands(fieldsOf(fieldsOf(restore)['spent'])['commands']),
};
