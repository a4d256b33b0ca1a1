import type { RunKind, RunState, RunSummary } from '../api/types.js';

export function isOver(state: RunState): boolean {
  return state === 'succeeded' || state === 'incomplete' || state === 'failed';
}

/**
 * The run that a call which has not yet answered began: the newest of its kind under way that was not there before.
 * Without a queue such a call answers only when its run is over.
 */
export function runBegun(runs: readonly RunSummary[], kind: RunKind, known: ReadonlySet<string>): string | null {
  const found = runs.find((run) => run.kind === kind && !isOver(run.state) && !known.has(run.runId));
  return found?.runId ?? null;
}

/** How long a run took, or has taken so far, in milliseconds. */
export function runTime(run: Pick<RunSummary, 'createdAt' | 'finishedAt'>, now: number): number {
  const end = run.finishedAt === null ? now : Date.parse(run.finishedAt);
  return Math.max(0, end - Date.parse(run.createdAt));
}
