import { indexApp } from '../app/app.js';
import { AppError } from '../errors.js';
import type { ReindexPorts } from '../reindex/context.js';
import { besideSchema, SUFFIX_WORDS, type Beside, type ReindexMode, type ReindexScope } from '../reindex/model.js';
import { prepareReindex, retryInput, startReindex, type ReindexRequest } from '../reindex/start.js';
import { handOver } from '../runs/hand-over.js';
import { leaseHeldError } from '../runs/held.js';
import type { RunRecord } from '../runs/model.js';
import { carryOut, errorOfRun, runEnvironment } from './carry-out.js';
import type { Context } from './context.js';
import { droppedOf, planOf, reportOf } from './reindex/result.js';
import { droppedText, planText, reportText } from './reindex/view.js';
import { prompt, canPrompt } from './prompt.js';
import { finish } from './restore/ending.js';
import { follow } from './follow.js';

export interface ReindexOptions {
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
 * `reindex`: rebuilds the vector index of one project, or of all, from Redis. Over the queue it is followed on a terminal
 * or with --watch; else it is handed over, and the run's id printed.
 */
export async function reindex(context: Context, options: ReindexOptions): Promise<number> {
  if (options.retry === undefined) scopeOf(options);
  const app = indexApp(runEnvironment(context.env, options.local === true), { log: context.log });
  const request = await requestOf(app.reindex, options);
  const question = request.dryRun || options.yes === true ? null : questionOf(request);
  if (question !== null && !canPrompt()) throw nobodyThere(question);
  const prepared = await prepareReindex(app.reindex, request, options);
  const { input } = prepared;
  if (input.dropOld && !input.dryRun && isStillSearched(app.reindex, input.beside)) context.note(STILL_SEARCHED);
  if (question !== null) await demandYes(context, question);
  const started = await startReindex(app.engine, prepared);
  if (!app.queued) return report(context, await carryOut(context, app, started));
  if (!started.started) throw await leaseHeldError(app.ports.store, started);
  await handOver(app.engine, started.run.id);
  const follows = input.dryRun || options.watch === true || context.onTerminal;
  if (!follows) return leave(context, started.run);
  context.note(`run ${started.run.id}: handed over to the queue`);
  return report(context, await follow(context, app.ports, started.run.id));
}

const STILL_SEARCHED =
  'warning: the settings here (VECTOR_NAMESPACE_SUFFIX, UPSTASH_VECTOR_REST_URL) name the vectors that are to be removed as those that the application searches. Remove them only if it searches the new ones by now, and set those here and in the Vercel project as well.';

/** Whether what would be removed is what the application searches, by the settings here. */
function isStillSearched({ elsewhere, vectors }: ReindexPorts, beside: Beside | null): boolean {
  if (beside === null) return false;
  const { index, suffix } = elsewhere.indexOf(beside).place;
  return vectors.place.index !== index || vectors.place.suffix !== suffix;
}

function report(context: Context, run: RunRecord): number {
  const plan = planOf(run.result);
  const done = reportOf(run.result);
  const dropped = droppedOf(run.result);
  if (dropped !== null) context.print(droppedText(dropped));
  else if (done !== null) context.print(reportText(done, run.state));
  else if (plan !== null) context.print(planText(plan));
  return finish(context, run, errorOfRun(run));
}

function leave(context: Context, run: RunRecord): number {
  context.document({ runId: run.id, state: run.state });
  context.print(
    `Run ${run.id} is worked on over the queue. Follow it with: npx soulcaster-backup run ${run.id} --watch --env-file .env`,
  );
  return 0;
}

async function requestOf(ports: ReindexPorts, options: ReindexOptions): Promise<ReindexRequest> {
  const { dropOld = false, dryRun = false, into, next = false, retry, yesOverDays: overDays = false } = options;
  if (retry === undefined) {
    const beside =
      into === undefined && !next ? null : ({ index: next ? 'next' : 'same', suffix: into ?? '' } as const);
    if (beside !== null) besideOf(beside);
    if (dropOld && options.mode !== undefined) {
      throw new AppError('usage', '--drop-old embeds nothing, so that --mode says nothing', {
        hint: 'Build the new vectors first, with --mode and without --drop-old; then remove the old ones without --mode.',
      });
    }
    const { mode = 'in-place' } = options;
    if (overDays && mode !== 'flush') {
      throw new AppError('usage', `--yes-over-days says nothing for mode ${mode}, which clears nothing first`, {
        hint: 'Leave it out, or give --mode flush.',
      });
    }
    return { scope: scopeOf(options), mode, dryRun, trigger: 'cli', beside, dropOld, overDays };
  }
  const others = ['all', 'project', 'mode', 'into', 'next', 'model', 'dimensions', 'dropOld'] as const;
  if (others.some((name) => options[name] !== undefined)) {
    throw new AppError('usage', '--retry does what the run was asked to do, and nothing else', {
      hint: 'Leave out what says which projects, how, and where: the run has it.',
    });
  }
  return { ...(await retryInput(ports, retry, 'cli')), dryRun, overDays };
}

/** Throws `usage` for a suffix that is none. */
function besideOf(beside: Beside): void {
  if (besideSchema.safeParse(beside).success && (beside.index === 'next' || beside.suffix !== '')) return;
  throw new AppError('usage', `The suffix of --into ${SUFFIX_WORDS}`, { hint: 'For example: --into :g2' });
}

function scopeOf({ all, project }: ReindexOptions): ReindexScope {
  if (all === true && project === undefined) return { all: true };
  if (all !== true && project !== undefined) return { project };
  throw new AppError('usage', 'It is not clear what to re-index', {
    hint: 'Give either --project with a whole id, or --all.',
  });
}

interface Question {
  readonly what: string;
  readonly instead: string;
}

/** What is asked before it is done; null for what takes nothing away. */
function questionOf({ dropOld, mode }: ReindexRequest): Question | null {
  if (dropOld === true) {
    return { what: 'The old vectors are removed for good', instead: 'Let the application search the new ones first.' };
  }
  if (mode !== 'flush') return null;
  return {
    what: 'Mode flush clears the index first; search finds nothing meanwhile',
    instead: 'Mode in-place keeps search going.',
  };
}

function nobodyThere({ instead, what }: Question): AppError {
  return new AppError('usage', `Nobody is here to confirm it, since this is no terminal: ${what}`, {
    hint: `Give --yes. ${instead}`,
  });
}

async function demandYes({ interrupt }: Context, { instead, what }: Question): Promise<void> {
  const answer = await prompt(`${what}. Type yes to do it: `, interrupt);
  if (answer === 'yes') return;
  throw new AppError('not-confirmed', 'Nothing was changed: the answer was not yes', { hint: instead });
}
