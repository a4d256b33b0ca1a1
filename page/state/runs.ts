import type { RunState, RunSummary } from '../api/types.js';

/** A run under way that has not got further for so long is not simply slow. */
const STANDSTILL_MS = 20 * 60_000;

export function isOver(state: RunState): boolean {
  return state === 'succeeded' || state === 'incomplete' || state === 'failed';
}

/** The run that a call without an answer began: the newest of its kind that was not there before; null where there is none. */
export function runBegun(runs: readonly Pick<RunSummary, 'runId'>[], known: ReadonlySet<string>): string | null {
  return runs.find(({ runId }) => !known.has(runId))?.runId ?? null;
}

/** How long a run took, or has taken so far, in milliseconds. */
export function runTime(run: Pick<RunSummary, 'createdAt' | 'finishedAt'>, now: number): number {
  const end = run.finishedAt === null ? now : Date.parse(run.finishedAt);
  return Math.max(0, end - Date.parse(run.createdAt));
}

/** How long a run under way has not got further, in milliseconds; null while that is nothing to worry about. */
export function standstill(
  { createdAt, progressedAt, state }: Pick<RunSummary, 'createdAt' | 'progressedAt' | 'state'>,
  now: number,
): number | null {
  if (state !== 'running') return null;
  const still = now - Date.parse(progressedAt ?? createdAt);
  return still >= STANDSTILL_MS ? still : null;
}

/** Milliseconds until a phase of `total` is done, going by what it has done since `since`; null where nothing says it. */
export function timeLeft({ done, total }: RunSummary['progress'], sinceMs: number): number | null {
  if (total === null || total <= 0 || done <= 0 || done >= total || sinceMs < 3000) return null;
  return (sinceMs / done) * (total - done);
}
