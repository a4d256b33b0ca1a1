import { fieldsOf, figure, type RunTraits } from '../runs/traits.js';
import { costOfCommands } from '../snapshot/price.js';
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
    plan: 'comparing with what is there',
    live: 'finding what is newer',
    weigh: 'making the plan',
    conclude: 'finishing',
    condemn: 'finishing',
    'safety-scan': 'saving what is there',
    'safety-recheck': 'going through the names again',
    'safety-check': 'checking what was saved',
    'safety-seal': 'finalizing what was saved',
    fence: 'locking the projects',
    write: 'writing',
    place: 'finding the lists of each member',
    written: 'preparing the lists',
    unite: 'uniting lists',
    remove: 'removing what is newer',
    prove: 'proving every key',
    extras: 'finding what is left over',
    inspect: 'checking the projects',
    report: 'finishing',
  },
  evaluated: true,
  alert: { code: 'restore-failed', states: ['failed'], place: ({ target }) => JSON.stringify(target ?? null) },
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
      : 'What it has written stays, and the database counts as unfinished until a restore of the same scope ends well.',
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
  cost: ({ restore }) => costOfCommands(fieldsOf(fieldsOf(restore)['spent'])['commands']),
};
