import type { RunState, RunSummary } from '../api/types.js';

/** A running run without progress for this long is stalled. */
const STALLED_MS = 20 * 60_000;

export function isOver(state: RunState): boolean {
  return state === 'succeeded' || state === 'incomplete' || state === 'failed';
}

/** The run that a call without an answer started: the newest run that was not known before; null when there is none. */
export function findNewRun(runs: readonly Pick<RunSummary, 'runId'>[], known: ReadonlySet<string>): string | null {
  return runs.find(({ runId }) => !known.has(runId))?.runId ?? null;
}

/** How long a run took, or has been running, in milliseconds. */
export function runTime(run: Pick<RunSummary, 'createdAt' | 'finishedAt'>, now: number): number {
  const end = run.finishedAt === null ? now : Date.parse(run.finishedAt);
  return Math.max(0, end - Date.parse(run.createdAt));
}

/** How long a running run has made no progress, in milliseconds; null while that is normal. */
export function stalledTime(
  { createdAt, progressedAt, state }: Pick<RunSummary, 'createdAt' | 'progressedAt' | 'state'>,
  now: number,
): number | null {
  if (state !== 'running') return null;
  const still = now - Date.parse(progressedAt ?? createdAt);
  return still >= STALLED_MS ? still : null;
}

/** Milliseconds until a phase is done, extrapolated from its progress in the last `sinceMs`; null when that is not possible. */
export function timeLeft({ done, total }: RunSummary['progress'], sinceMs: number): number | null {
  if (total === null || total <= 0 || done <= 0 || done >= total || sinceMs < 3000) return null;
  return (sinceMs / done) * (total - done);
}
