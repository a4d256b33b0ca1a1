import { HIDDEN_WORDS } from '../control/hidden.js';
import { statusOf, type ErrorCode } from '../errors.js';
import { titleOf, type RunRecord } from '../runs/model.js';

/** A run as the API shows it: the record without its checkpoint and its bookkeeping. */
export function runView(run: RunRecord): object {
  const { id, kind, state, phase, progress, input, result, error, leg, createdAt, updatedAt, finishedAt } = run;
  const times = { createdAt, updatedAt, finishedAt };
  const hidden = run.hidden === true ? { details: HIDDEN_WORDS } : {};
  return {
    runId: id,
    kind,
    title: titleOf(kind),
    state,
    phase,
    legs: leg + 1,
    progress,
    input,
    result,
    ...hidden,
    error,
    ...times,
  };
}

/** 202 while legs are to come, 207 for what was done but is not whole, and the error's own status for what failed. */
export function statusOfRun(run: RunRecord): number {
  switch (run.state) {
    case 'running':
    case 'waiting':
      return 202;
    case 'succeeded':
      // A doubtful snapshot was taken as it should be, and yet is not what was wanted.
      return run.error === null ? 200 : statusOf(run.error.code as ErrorCode);
    case 'incomplete':
      return 207;
    case 'failed':
      return statusOf((run.error?.code ?? 'internal') as ErrorCode);
  }
}
