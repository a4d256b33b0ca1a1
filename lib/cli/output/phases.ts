import type { RunKind, RunRecord } from '../../runs/model.js';
import { REINDEX, RESTORE } from './phase-words.js';

const WIDEST = Math.max(...[RESTORE, REINDEX].flatMap((words) => Object.values(words)).map(({ length }) => length));
const NARROW = 6;

/** A phase of a restore in words; one that has none by its name. */
export function restorePhase(phase: string): string {
  return RESTORE[phase] ?? phase;
}

const WORDS: Readonly<Partial<Record<RunKind, Readonly<Record<string, string>>>>> = {
  restore: RESTORE,
  drill: RESTORE,
  reindex: REINDEX,
};

/** The phase that a run is in, as people understand it. */
export function phaseName({ kind, phase }: Pick<RunRecord, 'kind' | 'phase'>): string {
  return WORDS[kind]?.[phase] ?? phase;
}

/** The same as wide as any phase of that kind of run, so that a bar stays in its place. */
export function paddedPhase(run: Pick<RunRecord, 'kind' | 'phase'>): string {
  return phaseName(run).padEnd(run.kind in WORDS ? WIDEST : NARROW);
}

/** Until when a run waits, and for what: `waits until 2026-11-22 08:00 UTC: ...`. */
export function waitingWords({ error, resumeAt }: Pick<RunRecord, 'error' | 'resumeAt'>): string {
  const until = resumeAt === null ? 'a while' : `until ${resumeAt.slice(0, 16).replace('T', ' ')} UTC`;
  return error === null ? `waits ${until}` : `waits ${until}: ${error.message}`;
}
