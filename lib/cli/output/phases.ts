import type { RunRecord } from '../../runs/model.js';

/** What a restore is doing, by the name of its phase. */
const RESTORE: Readonly<Record<string, string>> = {
  open: 'opening the snapshot',
  check: 'checking the snapshot',
  survey: 'checking the snapshot',
  plan: 'comparing with what is there',
  live: 'looking for what is newer',
  weigh: 'making the plan',
  conclude: 'finishing',
  'safety-scan': 'saving what is there',
  'safety-check': 'checking what was saved',
  'safety-seal': 'sealing what was saved',
  fence: 'locking the projects',
  write: 'writing',
  remove: 'removing what is newer',
  prove: 'proving every key',
  extras: 'looking for what is left over',
  inspect: 'checking the projects',
  report: 'finishing',
};

const WIDEST = Math.max(...Object.values(RESTORE).map((words) => words.length));
const NARROW = 6;

/** A phase of a restore in words; one that has none by its name. */
export function restorePhase(phase: string): string {
  return RESTORE[phase] ?? phase;
}

/** The phase that a run is in, as people understand it. */
export function phaseName({ kind, phase }: Pick<RunRecord, 'kind' | 'phase'>): string {
  return kind === 'restore' ? restorePhase(phase) : phase;
}

/** The same as wide as any phase of that kind of run, so that a bar stays in its place. */
export function paddedPhase(run: Pick<RunRecord, 'kind' | 'phase'>): string {
  return phaseName(run).padEnd(run.kind === 'restore' ? WIDEST : NARROW);
}
