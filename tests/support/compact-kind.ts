import { RUN_KINDS } from '../../lib/run-kinds.js';
import { figure, type RunTraits } from '../../lib/runs/traits.js';

/** A kind of run that nothing but this file knows; to be imported before what has a table by kind. */
export const COMPACT: RunTraits = {
  kind: 'compact',
  title: 'compaction',
  plural: 'Compactions',
  words: { gather: 'gathering what is to go', squeeze: 'squeezing' },
  alert: { code: 'compact-failed', states: ['failed'] },
  figures: ({ saved }) => figure.bytes('Saved', saved),
  done: ({ saved }) => (saved === 0 ? 'Done: there was nothing to save' : null),
  cost: ({ commands }) => ({ commands: commands as number, tokens: null, estimatedUsd: 0.5 }),
  aim: ({ dryRun }) => (dryRun === true ? 'DRY RUN' : 'LIVE'),
  ifCancelled: () => 'What is squeezed stays squeezed.',
};

(RUN_KINDS as RunTraits[]).push(COMPACT);
