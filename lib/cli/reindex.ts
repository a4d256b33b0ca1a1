import { indexApp, type FullApp } from '../app/app.js';
import { AppError, toAppError } from '../errors.js';
import type { ReindexPorts } from '../reindex/context.js';
import {
  besideSchema,
  SUFFIX_WORDS,
  type Beside,
  type ReindexMode,
  type ReindexScope,
  reindexCommand,
} from '../reindex/model.js';
import { prepareReindex, retryInput, startReindex, type ReindexRequest } from '../reindex/start.js';
import { handOver } from '../runs/engine.js';
import { leaseHeldError } from '../runs/lease.js';
import type { RunRecord } from '../runs/model.js';
import { carryOut, errorOfRun, runEnvironment, finishCommand } from './carry-out.js';
import type { Context } from './context.js';
import { droppedOf, planOf, reportOf, droppedText, planText, reportText } from './reindex/view.js';
import { canPrompt, confirmTyped } from './prompt.js';
import { errorDocument, printError } from './output/report-error.js';
import { fieldsOf } from '../runs/traits.js';

interface ReindexOptions {
  readonly project?: string;
  readonly all?: boolean;
  readonly mode?: ReindexMode;
  readonly dryRun?: boolean;
  readonly watch?: boolean;
  readonly local?: boolean;
  readonly yes?: boolean;
  readonly retry?: string;
  readonly into?: string;
  readonly next?: boolean;
  readonly model?: string;
  readonly dimensions?: number;
  readonly dropOld?: boolean;
  readonly yesOverDays?: boolean;
}

/**
 * `reindex`: rebuilds the vector index of one project, or of all, from Redis. Over the queue, the run is followed on a terminal
 * or with --watch; otherwise it is handed over and its id printed.
 */
export async function reindex(context: Context, options: ReindexOptions): Promise<number> {
  if (options.retry === undefined) scopeOf(options);
  const app = indexApp(runEnvironment(context.env, options.local === true), { log: context.log });
  const request = await requestOf(app.reindex, options);
  const question = request.dryRun || options.yes === true ? null : questionOf(request);
  if (question !== null && !canPrompt())
    throw new AppError('usage', `The run cannot be confirmed: this is not a terminal. ${question.what}`, {
      hint: `Give --yes. ${question.instead}`,
    });
  const prepared = await prepareReindex(app.reindex, request, options);
  const { input } = prepared;
  if (input.dropOld && !input.dryRun && isStillSearched(app.reindex, input.beside)) context.note(STILL_SEARCHED);
  if (question !== null) {
    await confirmTyped(context, `${question.what}. To continue, type yes: `, 'yes', question.instead);
  }
  const started = await startReindex(app.engine, prepared);
  const follows = !app.queued || input.dryRun || options.watch === true || context.onTerminal;
  if (follows) return printResult(context, await carryOut(context, app, started));
  if (!started.started) throw await leaseHeldError(app.ports.store, started);
  await handOver(app.engine, started.run.id);
  return printHandedOver(context, started.run);
}

const STILL_SEARCHED =
  'warning: according to the settings here (VECTOR_NAMESPACE_SUFFIX, UPSTASH_VECTOR_REST_URL), the application still searches the vectors that are to be removed. Remove them only if it already searches the new ones, and update these settings here and in the Vercel project.';

/** Whether, according to the settings here, the application searches the vectors that would be removed. */
function isStillSearched({ elsewhere, vectors }: ReindexPorts, beside: Beside | null): boolean {
  if (beside === null) return false;
  const { index, suffix } = elsewhere.indexOf(beside).place;
  return vectors.place.index !== index || vectors.place.suffix !== suffix;
}

function printResult(context: Context, run: RunRecord): number {
  const plan = planOf(run.result);
  const done = reportOf(run.result);
  const dropped = droppedOf(run.result);
  if (dropped !== null) context.print(droppedText(dropped));
  else if (done !== null) context.print(reportText(done, run.state));
  else if (plan !== null) context.print(planText(plan));
  return finishCommand(context, run, errorOfRun(run));
}

function printHandedOver(context: Context, run: RunRecord): number {
  context.document({ runId: run.id, state: run.state });
  context.print(
    `Run ${run.id} continues over the queue. Follow it with: npx soulcaster-backup run ${run.id} --watch --env-file .env`,
  );
  return 0;
}

async function requestOf(ports: ReindexPorts, options: ReindexOptions): Promise<ReindexRequest> {
  const { dropOld = false, dryRun = false, into, next = false, retry, yesOverDays: overDays = false } = options;
  if (retry === undefined) {
    const beside =
      into === undefined && !next ? null : ({ index: next ? 'next' : 'same', suffix: into ?? '' } as const);
    if (beside !== null) assertSuffix(beside);
    if (dropOld && options.mode !== undefined) {
      throw new AppError('usage', '--drop-old embeds nothing, so --mode cannot be used with it', {
        hint: 'Build the new vectors first, with --mode and without --drop-old; then remove the old ones without --mode.',
      });
    }
    const { mode = 'in-place' } = options;
    if (overDays && mode !== 'flush') {
      throw new AppError('usage', `--yes-over-days is only for mode flush; mode ${mode} does not clear the index`, {
        hint: 'Omit --yes-over-days, or give --mode flush.',
      });
    }
    return { scope: scopeOf(options), mode, dryRun, trigger: 'cli', beside, dropOld, overDays };
  }
  const others = ['all', 'project', 'mode', 'into', 'next', 'model', 'dimensions', 'dropOld'] as const;
  if (others.some((name) => options[name] !== undefined)) {
    throw new AppError('usage', '--retry repeats the options of the run, and takes no others', {
      hint: 'Omit --all, --project, --mode, --into, --next, --model, --dimensions and --drop-old.',
    });
  }
  return { ...(await retryInput(ports, retry, 'cli')), dryRun, overDays };
}

/** Throws `usage` for an invalid suffix. */
function assertSuffix(beside: Beside): void {
  if (besideSchema.safeParse(beside).success && (beside.index === 'next' || beside.suffix !== '')) return;
  throw new AppError('usage', `The suffix of --into ${SUFFIX_WORDS}`, { hint: 'For example: --into :g2' });
}

function scopeOf({ all, project }: ReindexOptions): ReindexScope {
  if (all === true && project === undefined) return { all: true };
  if (all !== true && project !== undefined) return { project };
  throw new AppError('usage', 'Either --project or --all is required', {
    hint: 'Give --project with a whole id, or --all for all projects.',
  });
}

interface Question {
  readonly what: string;
  readonly instead: string;
}

/** The question to confirm a request that removes vectors; null for other requests. */
function questionOf({ dropOld, mode }: ReindexRequest): Question | null {
  if (dropOld === true) {
    return {
      what: 'The old vectors are removed permanently',
      instead: 'Let the application search the new vectors first.',
    };
  }
  if (mode !== 'flush') return null;
  return {
    what: 'Mode flush clears the index first; until it is rebuilt, search finds nothing',
    instead: 'With --mode in-place search keeps working.',
  };
}

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
  if (context.env['DEBUG'] === '1') printError(error, context);
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
