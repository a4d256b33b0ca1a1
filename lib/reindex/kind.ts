import { coversScope, type Fields, fieldsOf, figure, type RunTraits } from '../runs/traits.js';

export const REINDEX: RunTraits = {
  kind: 'reindex',
  title: 're-index',
  plural: 'Re-indexes',
  words: {
    preflight: 'checking index and embedder',
    scan: 'finding the items',
    plan: 'making the plan',
    flush: 'preparing the index',
    embed: 'embedding',
    look: 'finding new items',
    late: 'embedding new items',
    settling: 'reconciling every vector',
    settle: 'reconciling every vector',
    prove: 'proving',
    compare: 'comparing with the old vectors',
    drop: 'removing the old vectors',
    report: 'finishing',
  },
  evaluated: true,
  alert: { code: 'reindex-failed', states: ['failed', 'incomplete'], makesGood, evenStopped: hasCleared },
  figures: ({ embedded, milliseconds, proof, skipped, swept, unchanged }) => [
    ...figure.count('Embedded', embedded),
    ...figure.some('Had a vector already', unchanged),
    ...figure.some('Vectors removed, whose item is gone', swept),
    ...figure.some('Items skipped', fieldsOf(skipped)['count']),
    ...figure.count('Vectors now', fieldsOf(proof)['vectors']),
    ...figure.time('Took', milliseconds),
  ],
  cost: ({ estimatedUsd, tokens }) =>
    typeof tokens === 'number'
      ? { commands: null, tokens, estimatedUsd: typeof estimatedUsd === 'number' ? estimatedUsd : null }
      : null,
  isEstimate: ({ dryRun }) => dryRun === true,
  ifCancelled: (input) =>
    clears(input)
      ? 'If it has begun to remove vectors, search does not find their items until a re-index of the same scope succeeds.'
      : null,
  aim({ beside, dryRun }) {
    if (dryRun === true) return 'DRY RUN';
    return typeof beside === 'object' && beside !== null ? 'BESIDE' : 'LIVE';
  },
};

const READING_PHASES: readonly string[] = ['preflight', 'scan', 'plan'];

/** Whether a re-index removes vectors that the application searches before it makes new ones. */
function clears({ beside, dryRun, mode }: Fields): boolean {
  return mode === 'flush' && dryRun !== true && (beside ?? null) === null;
}

function hasCleared({ input, phase }: { readonly input: Fields; readonly phase: string }): boolean {
  return clears(input) && !READING_PHASES.includes(phase);
}

function makesGood(later: Fields, { input, phase }: { readonly input: Fields; readonly phase: string }): boolean {
  const place = JSON.stringify(input['beside'] ?? null);
  // A build beside the index that wrote nothing left nothing to make good, and may never be repeated under its name.
  if (place !== 'null' && READING_PHASES.includes(phase)) return true;
  return JSON.stringify(later['beside'] ?? null) === place && coversScope(later['scope'], input['scope']);
}
