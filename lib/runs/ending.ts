import { AppError, toAppError } from '../errors.js';
import type { Ports } from '../ports/index.js';
import type { Budget } from './attempt.js';
import { freeLease } from './lease.js';
import { isOver, type RunDefinition, type RunFailure, type RunRecord } from './model.js';
import { loadRun, saveRun } from './records.js';

type Needs = Pick<Ports, 'clock' | 'log' | 'store'>;

export function failureOf(error: AppError): RunFailure {
  return { code: error.code, message: error.message, hint: error.hint };
}

/** Changes to the record of a run whose attempt failed and will be retried. */
export function changesOnFailedAttempt(
  { nextAttemptAt }: Pick<RunRecord, 'nextAttemptAt'>,
  { code, message, retryAfterMs }: AppError,
  now: number,
): Pick<RunRecord, 'lastError' | 'nextAttemptAt'> {
  const lastError = { code, message, at: new Date(now).toISOString() };
  // The queue obeys the Retry-After of the response.
  const retryAt = retryAfterMs === undefined ? null : new Date(now + retryAfterMs).toISOString();
  return { lastError, nextAttemptAt: nextAttemptAt === null ? null : (retryAt ?? nextAttemptAt) };
}

/** Changes to the record of every run that ends. */
export function changesOnEnd(
  at: string,
  { lastError }: Pick<RunRecord, 'lastError'>,
  error: RunFailure | null,
): Pick<RunRecord, 'checkpoint' | 'finishedAt' | 'lastError' | 'nextAttemptAt'> {
  const last = error === null ? lastError : { code: error.code, message: error.message, at };
  return { checkpoint: null, finishedAt: at, lastError: last, nextAttemptAt: null };
}

/** Failures with the same code are recorded at most once in this time, however many tasks fail at once. */
const FAILURE_INTERVAL_MS = 20_000;

/**
 * Records the failure of tasks that the queue will deliver again. Skipped while an attempt works on the record itself, and
 * when another writer changes the record at the same time: one recorded failure is enough.
 */
export async function recordTaskFailure({ clock, store }: Needs, id: string, error: AppError): Promise<void> {
  try {
    const held = await loadRun(store, id);
    const { handedOut, lastError, state } = held.record;
    const isNoted = lastError?.code === error.code && clock.now() - Date.parse(lastError.at) < FAILURE_INTERVAL_MS;
    if (state !== 'running' || handedOut === null || isNoted) return;
    await saveRun(store, held, { ...held.record, ...changesOnFailedAttempt(held.record, error, clock.now()) });
  } catch {
    // Best effort: the caller reports the failure itself to the queue.
  }
}

/** Whether the caller should rethrow the error because the same work will be retried. */
export function willBeRetried(error: AppError, budget: Budget | null): boolean {
  return error.transient && budget !== null && !budget.lastAttempt && !budget.interrupt.aborted;
}

/**
 * Ends a run as failed, unless it is over already. An error that will be retried is rethrown instead.
 * A concurrent write of the record is retried. `releaseResources` and `describeRemains`: see `RunDefinition`.
 */
export async function endRun(
  ports: Needs,
  id: string,
  cause: unknown,
  budget: Budget | null,
  {
    releaseResources = () => Promise.resolve(),
    describeRemains,
  }: Pick<RunDefinition, 'releaseResources' | 'describeRemains'> = {},
): Promise<RunRecord> {
  const error = toAppError(cause);
  if (willBeRetried(error, budget)) throw error;
  for (;;) {
    const held = await loadRun(ports.store, id);
    if (isOver(held.record)) return held.record;
    try {
      const at = new Date(ports.clock.now()).toISOString();
      const failure = await failureWithRemains(held.record, error, describeRemains);
      const failed = {
        ...held.record,
        state: 'failed',
        error: failure,
        ...changesOnEnd(at, held.record, failure),
        updatedAt: at,
      } as const;
      const saved = await saveRun(ports.store, held, failed);
      await freeLease(ports, failed.lease, id);
      await releaseOrWarn(ports, held.record, releaseResources);
      ports.log.error('run-failed', { run: id, code: error.code, message: error.message });
      return saved.record;
    } catch (conflict) {
      if (!(conflict instanceof AppError) || conflict.code !== 'fenced') throw conflict;
    }
  }
}

/** Errors with a hint that assumes that unfinished work is discarded. */
const ENDED_FROM_OUTSIDE: ReadonlySet<string> = new Set(['interrupted', 'cancelled']);

/** The failure of a run that does not end by its own last step, with what it leaves behind. `run`: the record before the end. */
export async function failureWithRemains(
  run: RunRecord,
  error: AppError,
  describeRemains: RunDefinition['describeRemains'],
): Promise<RunFailure> {
  const failure = failureOf(error);
  // A description that fails must not keep the run from ending.
  const remains = run.hidden === true ? null : await describeRemains?.(run).catch(() => null);
  if (remains === null || remains === undefined) return failure;
  return { ...failure, hint: ENDED_FROM_OUTSIDE.has(error.code) ? remains : `${error.hint} ${remains}` };
}

type ReleaseResources = (run: RunRecord) => Promise<void>;

/** A failure is only logged: the run has ended either way, and the locks expire without being released. */
export async function releaseOrWarn(
  ports: Pick<Ports, 'log'>,
  run: RunRecord,
  releaseResources: ReleaseResources,
): Promise<void> {
  const warn = (message: string): void =>
    ports.log.warn('locks-not-released', { run: run.id, message, hint: LOCKS_END });
  if (run.hidden === true) {
    warn('The list of its locks is encrypted with another key or database token than the one set here');
    return;
  }
  try {
    await releaseResources(run);
  } catch (error) {
    const { code, message } = toAppError(error);
    warn(`${message} (${code})`);
  }
}

const LOCKS_END =
  'Its locks (cluster:lock:PROJECT) expire within 15 minutes. To end one now: DEL cluster:lock:PROJECT in the database.';
