import { deploymentOf } from '../../app/connect/database.js';
import { exitCodeOf, type AppError } from '../../errors.js';
import type { RunRecord } from '../../runs/model.js';
import type { Context } from '../context.js';
import { errorDocument, explain } from '../output/report-error.js';
import { fieldsOf } from '../../restore/result.js';

/** Ends a command with what its run came to: the error, the one JSON document, and the exit code. */
export function finish(context: Context, run: RunRecord, error: AppError | null, more: object = {}): number {
  if (error !== null) explain(error, { env: context.env, err: (text) => context.note(text) });
  context.document({
    runId: run.id,
    state: run.state,
    ...fieldsOf(run.result),
    ...more,
    deployment: deploymentOf(context.env),
    error: error === null ? null : errorDocument(error).error,
  });
  return error === null ? 0 : exitCodeOf(error.code);
}
