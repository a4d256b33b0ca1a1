import type { RunKind, RunSummary } from '../api/types.js';
import { REINDEX, RESTORE } from '../../lib/cli/output/phase-words.js';

const WORDS: Readonly<Record<RunKind, Readonly<Record<string, string>>>> = {
  snapshot: {
    scan: 'reading the database',
    recheck: 'going through the names again',
    check: 'reading the parts back',
    seal: 'sealing',
  },
  verify: { open: 'checking the chain', check: 'checking every part', report: 'finishing' },
  restore: RESTORE,
  drill: { ...RESTORE, prepare: 'emptying the scratch database' },
  reindex: REINDEX,
};

/** The phase that a run is in, as the command line says it; one that has no words by its name. */
export function phaseName({ kind, phase }: Pick<RunSummary, 'kind' | 'phase'>): string {
  return (WORDS as Partial<typeof WORDS>)[kind]?.[phase] ?? phase;
}

/** What people call the run, as the server says it. */
export function kindName({ kind, title = kind }: Pick<RunSummary, 'kind' | 'title'>): string {
  return `${title.charAt(0).toUpperCase()}${title.slice(1)}`;
}
