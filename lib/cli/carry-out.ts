import type { App } from '../app/app.js';
import type { Environment } from '../app/config.js';
import { deploymentOf } from '../app/connect/database.js';
import { AppError, type ErrorCode } from '../errors.js';
import type { Clock } from '../ports/clock.js';
import type { Signer } from '../ports/crypto.js';
import type { ObjectStore } from '../ports/store.js';
import { isOver, type RunRecord } from '../runs/model.js';
import { type Started, handOver } from '../runs/engine.js';
import { leaseHeldError } from '../runs/lease.js';
import { viewRun } from '../runs/summary.js';
import { loadRun } from '../runs/records.js';
import { fieldsOf } from '../runs/traits.js';
import { assertBelieved, CATALOG_NAME } from '../control/authenticated-store.js';
import { loadManifest, sha256 } from '../snapshot/manifest.js';
import { verificationName } from '../snapshot/names.js';
import { canSign } from '../snapshot/tombstone.js';
import type { Context } from './context.js';
import { finish } from './output/report-error.js';
import { progressView, silenceWords, waitingWords } from './output/runs.js';

type Runner = Pick<App<'clock' | 'store'>, 'engine' | 'ports' | 'queued' | 'work'>;

/** How often the run's record is read, in milliseconds: for work in this process, and in other processes. */
const POLL_LOCAL_MS = 250;
const POLL_MS = 1_000;
/** After this time without progress, in milliseconds, a run in other processes is reported as silent. */
const SILENCE_MS = 60_000;

/** The environment of a command; `--local` removes the queue. */
export function runEnvironment(env: Environment, local: boolean): Environment {
  return local ? { ...env, QSTASH_TOKEN: '' } : env;
}

/**
 * Runs to the end and returns the record: works in this process or, with a queue, publishes the first attempt and follows the
 * run. Throws `locked` if another run holds the lease, `interrupted` if following is interrupted.
 */
export async function carryOut(context: Context, app: Runner, started: Started): Promise<RunRecord> {
  if (!started.started) throw await leaseHeldError(app.ports.store, started);
  const { id } = started.run;
  context.note(`run ${id}: ${app.queued ? 'handed over to the queue' : 'running in this process'}`);
  if (!app.queued) return workInProcess(context, app, id);
  await handOver(app.engine, id);
  return follow(context, app.ports, id);
}

/** The error that a run ended with; null if it succeeded. */
export function errorOfRun(run: RunRecord): AppError | null {
  if (run.error === null) return null;
  const { code, message, hint } = run.error;
  return new AppError(code as ErrorCode, message, { hint });
}

/** Ends a command with the result of its run: prints the error and the JSON document, and returns the exit code. */
export function finishCommand(context: Context, run: RunRecord, error: AppError | null, more: object = {}): number {
  const document = { runId: run.id, state: run.state, ...fieldsOf(run.result), ...more };
  return finish(context, { ...document, deployment: deploymentOf(context.env) }, error);
}

async function workInProcess(context: Context, app: Runner, id: string): Promise<RunRecord> {
  const { clock, store } = app.ports;
  const view = progressView(context, () => clock.now());
  const over = new AbortController();
  const budget = { deadline: Number.POSITIVE_INFINITY, lastAttempt: true, interrupt: context.interrupt };
  const work = app.work(id, budget).finally(() => over.abort());
  const polling = (async () => {
    while (!over.signal.aborted) {
      view.update((await loadRun(store, id)).record);
      await clock.sleep(POLL_LOCAL_MS, over.signal);
    }
  })();
  try {
    const [run] = await Promise.all([
      work,
      // Errors of the store are ignored here: the work meets them too.
      polling.catch(() => undefined),
    ]);
    return run;
  } finally {
    view.stop();
  }
}

type FollowContext = Pick<Context, 'interrupt' | 'note' | 'onTerminal'>;

/**
 * Shows the progress of a run in other processes until it is over, and returns its record. Throws `not-found` for an unknown
 * run, and `interrupted` on an interrupt: the run continues.
 */
export async function follow(
  context: FollowContext,
  { clock, store }: { readonly clock: Clock; readonly store: ObjectStore },
  id: string,
): Promise<RunRecord> {
  const printer = createRunPrinter(context, clock);
  try {
    for (;;) {
      const record = await viewRun(store, id);
      printer.update(record);
      if (isOver(record)) return record;
      if (context.interrupt.aborted) throw noLongerWatched(record);
      await clock.sleep(POLL_MS, context.interrupt);
    }
  } finally {
    printer.stop();
  }
}

/** A run that no attempt has begun may never begin: the functions may not accept it. */
function noLongerWatched({ attempts, id }: Pick<RunRecord, 'attempts' | 'id'>): AppError {
  const again = `\`npx soulcaster-backup run ${id} --watch --env-file .env\``;
  if (attempts > 0) {
    return new AppError('interrupted', `Run ${id} is no longer watched; it continues over the queue`, {
      hint: `No action is needed. To follow it: ${again}.`,
    });
  }
  return new AppError('interrupted', `Run ${id} is no longer watched; it has not started yet`, {
    hint: `Find out whether it starts: ${again}. To end it: \`npx soulcaster-backup cancel ${id} --env-file .env\`.`,
  });
}

/** Shows a bar or lines while the run works, and prints once that it waits or is silent. */
function createRunPrinter(context: FollowContext, clock: Clock): { update(run: RunRecord): void; stop(): void } {
  let view = progressView(context, () => clock.now());
  let remark = '';
  const noteOnce = (text: string): void => {
    if (text === remark) return;
    remark = text;
    // The bar is removed first: redrawing it would overwrite the note.
    view.stop();
    view = progressView(context, () => clock.now());
    context.note(text);
  };
  return {
    update(run) {
      if (run.state === 'waiting') {
        noteOnce(`run ${run.id} ${waitingWords(run)}`);
        return;
      }
      view.update(run);
      if (!isOver(run) && clock.now() - Date.parse(run.updatedAt) > SILENCE_MS) noteOnce(silenceWords(run));
    },
    stop: () => view.stop(),
  };
}

/** The outcome of a run that changes only its own state. */
interface CarriedOut<A> {
  /** The program that ran it. */
  readonly app: A;
  readonly run: RunRecord;
  /** Why its state and result were kept in memory only; null if they are in the store. */
  readonly unrecorded: string | null;
}

/**
 * Carries out a run that only reads the snapshot `snapshot`. If its state cannot be written to the store, or would not be
 * believed where the snapshot was taken, prints a warning and runs in this process with state in memory: `open(true)` opens
 * the program for that.
 */
export async function carryOutReadOnly<A extends Runner & { readonly ports: { readonly signer: Signer } }>(
  context: Context,
  open: (inMemory: boolean) => A,
  start: (app: A) => Promise<Started>,
  snapshot: string,
): Promise<CarriedOut<A>> {
  const first = open(false);
  const recorded = (await reasonNotBelieved(first.ports, snapshot)) ?? (await tryRecorded(context, first, start));
  if (typeof recorded !== 'string') return recorded;
  context.note(`warning: ${recorded}: this command keeps its state in memory and works without a lock`);
  const app = open(true);
  return { app, run: await carryOut(context, app, await start(app)), unrecorded: recorded };
}

/** The recorded run, or why its state cannot be written. */
async function tryRecorded<A extends Runner & { readonly ports: { readonly signer: Signer } }>(
  context: Context,
  app: A,
  start: (app: A) => Promise<Started>,
): Promise<CarriedOut<A> | string> {
  if (!canSign(app.ports.signer)) return 'only a public signing key is set, so nothing can be recorded';
  try {
    const run = await carryOut(context, app, await start(app));
    const error = errorOfRun(run);
    return isWriteRefusal(error) ? refusalReason(error) : { app, run, unrecorded: null };
  } catch (error) {
    if (isWriteRefusal(error)) return refusalReason(error);
    throw error;
  }
}

/**
 * Why the deployment that took a snapshot would ignore what this process writes about the snapshot; null if it would not. Such
 * an object in place of a signed one would make the snapshot unverified there.
 */
async function reasonNotBelieved(
  { signer, store }: { readonly signer: Signer; readonly store: ObjectStore },
  id: string,
): Promise<string | null> {
  // A manifest that cannot be read is reported by the run.
  const loaded = await loadManifest(store, id).catch(() => null);
  const seal = loaded?.manifest.seal;
  if (signer.accepts === '') {
    const names = [verificationName(id), CATALOG_NAME];
    const isSigned = seal?.signature != null || !(await areBelieved(store, names));
    return isSigned ? 'the snapshot is signed, and no signing key is set here' : null;
  }
  if (loaded === null || seal?.signature == null || sha256(loaded.sealed) !== seal.sha256) return null;
  return signer.verify(loaded.sealed, seal.signature) === true
    ? null
    : 'the snapshot is signed with a key that is not accepted here';
}

async function areBelieved(store: ObjectStore, names: readonly string[]): Promise<boolean> {
  try {
    for (const name of names) await assertBelieved(store, name);
    return true;
  } catch (error) {
    if (error instanceof AppError && error.code === 'wrong-key') return false;
    throw error;
  }
}

function refusalReason({ code, message }: AppError): string {
  return `the store refuses writes (${code}: ${message})`;
}

/** Whether this is the error of a store that refuses writes. */
export function isWriteRefusal(error: unknown): error is AppError & { readonly code: 'store-denied' | 'store-full' } {
  return error instanceof AppError && (error.code === 'store-denied' || error.code === 'store-full');
}
