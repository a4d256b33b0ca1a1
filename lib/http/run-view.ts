import type { RunRecord } from '../runs/model.js';

/** A run as the API shows it: the record without its checkpoint and its bookkeeping. */
export function runView(run: RunRecord): object {
  const { id, kind, state, phase, progress, input, result, error, leg, createdAt, updatedAt, finishedAt } = run;
  const times = { createdAt, updatedAt, finishedAt };
  return { runId: id, kind, state, phase, legs: leg + 1, progress, input, result, error, ...times };
}
