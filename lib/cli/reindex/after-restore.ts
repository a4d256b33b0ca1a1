import type { FullApp } from '../../app/app.js';
import { AppError, toAppError } from '../../errors.js';
import type { ReindexPorts } from '../../reindex/context.js';
import type { ReindexScope } from '../../reindex/model.js';
import { prepareReindex, startReindex } from '../../reindex/start.js';
import type { RunRecord } from '../../runs/model.js';
import { carryOut, errorOfRun } from '../carry-out.js';
import type { Context } from '../context.js';
import { errorDocument, explain } from '../output/report-error.js';
import { fieldsOf } from '../../restore/result.js';
import { reportOf } from './result.js';
import { reportText } from './view.js';
import { reindexCommand } from '../../reindex/commands.js';

/** What became of the vectors after a restore in this process. */
interface Reindexed {
  /** Why the vectors are not as they should be, as the error of a restore whose data are; null when they are. */
  readonly error: AppError | null;
  /** For the JSON document: the run with its result, or only the error of one that could not be started. */
  readonly document: object;
}

/**
 * Continues with the vectors of what was restored, in this process. Throws nothing: the data are there, and what the
 * restore came to must be told whatever becomes of the vectors.
 */
export async function reindexRestored(
  context: Context,
  app: FullApp,
  ports: ReindexPorts,
  scope: ReindexScope,
): Promise<Reindexed> {
  context.print('\nGoing on with the vectors.\n');
  try {
    const input = { scope, mode: 'in-place', dryRun: false, trigger: 'restore' } as const;
    const run = await carryOut(context, app, await startReindex(app.engine, await prepareReindex(ports, input)));
    return ofRun(context, run, scope);
  } catch (cause) {
    return ofError(context, toAppError(cause), scope);
  }
}

function ofRun(context: Context, run: RunRecord, scope: ReindexScope): Reindexed {
  const report = reportOf(run.result);
  if (report !== null) context.print(reportText(report, run.state));
  const error = errorOfRun(run);
  const told = error === null ? { error, document: { error } } : ofError(context, error, scope);
  return {
    error: told.error,
    document: { runId: run.id, state: run.state, ...fieldsOf(run.result), ...told.document },
  };
}

function ofError(context: Context, error: AppError, scope: ReindexScope): Reindexed {
  // The error of the command speaks of the restore; with DEBUG=1 this tells where the other one comes from.
  if (context.env['DEBUG'] === '1') explain(error, { env: context.env, err: (text) => context.note(text) });
  return { error: withoutVectors(error, scope), document: errorDocument(error) };
}

function withoutVectors(error: AppError, scope: ReindexScope): AppError {
  const again = `Re-index them with \`${reindexCommand(scope)}\`.`;
  // The own hint of an interrupt speaks of work that counts only when it is whole.
  const interrupted = error.code === 'interrupted';
  return new AppError(
    interrupted ? 'interrupted' : 'incomplete',
    `The data are restored and proven, but their vectors are not rebuilt: ${error.message}`,
    { hint: interrupted ? again : `${error.hint} ${again}`, cause: error },
  );
}
