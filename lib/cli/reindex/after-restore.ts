import type { FullApp } from '../../app/app.js';
import { AppError, toAppError } from '../../errors.js';
import type { ReindexPorts } from '../../reindex/context.js';
import { type ReindexScope, reindexCommand } from '../../reindex/model.js';
import { prepareReindex, startReindex } from '../../reindex/start.js';
import type { RunRecord } from '../../runs/model.js';
import { carryOut, errorOfRun } from '../carry-out.js';
import type { Context } from '../context.js';
import { errorDocument, printError } from '../output/report-error.js';
import { fieldsOf } from '../../restore/result.js';
import { reportOf } from './result.js';
import { reportText } from './view.js';

/** The result of the re-index after a restore in this process. */
interface Reindexed {
  /** Why the vectors are not rebuilt, as an error of the restore; null on success. */
  readonly error: AppError | null;
  /** For the JSON document: the run with its result, or the error if no run could be started. */
  readonly document: object;
}

/**
 * Re-indexes the restored data in this process. Throws nothing: the data are restored, and the result of the restore must be
 * reported even if the re-index fails.
 */
export async function reindexRestored(
  context: Context,
  app: FullApp,
  ports: ReindexPorts,
  scope: ReindexScope,
): Promise<Reindexed> {
  context.print('\nRe-indexing the vectors.\n');
  try {
    const input = { scope, mode: 'in-place', dryRun: false, trigger: 'restore' } as const;
    const run = await carryOut(context, app, await startReindex(app.engine, await prepareReindex(ports, input)));
    return resultOfRun(context, run, scope);
  } catch (cause) {
    return resultOfError(context, toAppError(cause), scope);
  }
}

function resultOfRun(context: Context, run: RunRecord, scope: ReindexScope): Reindexed {
  const report = reportOf(run.result);
  if (report !== null) context.print(reportText(report, run.state));
  const error = errorOfRun(run);
  const failure = error === null ? { error, document: { error } } : resultOfError(context, error, scope);
  return {
    error: failure.error,
    document: { runId: run.id, state: run.state, ...fieldsOf(run.result), ...failure.document },
  };
}

function resultOfError(context: Context, error: AppError, scope: ReindexScope): Reindexed {
  // The error of the command is about the restore; with DEBUG=1 the cause is printed too.
  if (context.env['DEBUG'] === '1') printError(error, { env: context.env, err: (text) => context.note(text) });
  return { error: vectorsNotRebuiltError(error, scope), document: errorDocument(error) };
}

function vectorsNotRebuiltError(error: AppError, scope: ReindexScope): AppError {
  const again = `Re-index them with \`${reindexCommand(scope)}\`.`;
  // An interrupt's own hint, that incomplete work is not used, does not apply to the restored data.
  const interrupted = error.code === 'interrupted';
  return new AppError(
    interrupted ? 'interrupted' : 'incomplete',
    `The data are restored and proven, but their vectors are not rebuilt: ${error.message}`,
    { hint: interrupted ? again : `${error.hint} ${again}`, cause: error },
  );
}
