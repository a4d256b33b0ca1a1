import { AppError, toAppError } from '../errors.js';
import type { Ports } from '../ports/index.js';
import { freeLease } from './lease.js';
import type { Budget } from './attempt.js';
import { isOver, type RunDefinition, type RunFailure, type RunRecord } from './model.js';
import { loadRun, saveRun } from './records.js';

export { isOver } from './model.js';

type Needs = Pick<Ports, 'clock' | 'log' | 'store'>;

export function failureOf(error: AppError): RunFailure {
  return { code: error.code, message: error.message, hint: error.hint };
}

/** Errors whose own hint supposes that what was not finished does not count. */
const ENDED_FROM_OUTSIDE: ReadonlySet<string> = new Set(['interrupted', 'cancelled']);

/** The failure of a run that does not come to its own end, with what it leaves behind. `run`: as it was before. */
export async function brokenOff(run: RunRecord, error: AppError, leaves: RunDefinition['leaves']): Promise<RunFailure> {
  const failure = failureOf(error);
  // What cannot be found out must not keep the run from its end.
  const words = run.hidden === true ? null : await leaves?.(run).catch(() => null);
  if (words === null || words === undefined) return failure;
  return { ...failure, hint: ENDED_FROM_OUTSIDE.has(error.code) ? words : `${error.hint} ${words}` };
}

/** What changes in the record of a run whose attempt failed and will be made again. */
export function failedAttempt(
  { nextAttemptAt }: Pick<RunRecord, 'nextAttemptAt'>,
  { code, message, retryAfterMs }: AppError,
  now: number,
): Pick<RunRecord, 'lastError' | 'nextAttemptAt'> {
  const lastError = { code, message, at: new Date(now).toISOString() };
  // The queue keeps to what the answer says it is to wait.
  const asked = retryAfterMs === undefined ? null : new Date(now + retryAfterMs).toISOString();
  return { lastError, nextAttemptAt: nextAttemptAt === null ? null : (asked ?? nextAttemptAt) };
}

/** What changes in the record of every run that ends. */
export function overAt(
  at: string,
  { lastError }: Pick<RunRecord, 'lastError'>,
  error: RunFailure | null,
): Pick<RunRecord, 'checkpoint' | 'finishedAt' | 'lastError' | 'nextAttemptAt'> {
  const last = error === null ? lastError : { code: error.code, message: error.message, at };
  return { checkpoint: null, finishedAt: at, lastError: last, nextAttemptAt: null };
}

/** Failures of the same kind are written down no more often than this, however many tasks meet them at a time. */
const NOTED_MS = 20_000;

/**
 * Writes down what came in the way of tasks that the queue will bring again. An attempt that works on the record itself is
 * not to be disturbed, nor are two that fail at once: then what the other wrote will do.
 */
export async function noteFailure({ clock, store }: Needs, id: string, error: AppError): Promise<void> {
  try {
    const held = await loadRun(store, id);
    const { handedOut, lastError, state } = held.record;
    const isNoted = lastError?.code === error.code && clock.now() - Date.parse(lastError.at) < NOTED_MS;
    if (state !== 'running' || handedOut === null || isNoted) return;
    await saveRun(store, held, { ...held.record, ...failedAttempt(held.record, error, clock.now()) });
  } catch {
    // The failure itself is what the queue is told.
  }
}

/** Whether the caller should let the error pass, because the same work will be tried again. */
export function willBeRetried(error: AppError, budget: Budget | null): boolean {
  return error.transient && budget !== null && !budget.lastAttempt && !budget.interrupt.aborted;
}

/**
 * Ends a run as failed, unless it is over already or the error is one that a retry may get past: that one is thrown.
 * Somebody else's write in between only means to look again. `letGo` and `leaves`: see `RunDefinition`.
 */
export async function endRun(
  ports: Needs,
  id: string,
  cause: unknown,
  budget: Budget | null,
  { letGo = () => Promise.resolve(), leaves }: Pick<RunDefinition, 'letGo' | 'leaves'> = {},
): Promise<RunRecord> {
  const error = toAppError(cause);
  if (willBeRetried(error, budget)) throw error;
  for (;;) {
    const held = await loadRun(ports.store, id);
    if (isOver(held.record)) return held.record;
    try {
      const at = new Date(ports.clock.now()).toISOString();
      const failure = await brokenOff(held.record, error, leaves);
      const failed = {
        ...held.record,
        state: 'failed',
        error: failure,
        ...overAt(at, held.record, failure),
        updatedAt: at,
      } as const;
      const saved = await saveRun(ports.store, held, failed);
      await freeLease(ports, failed.lease, id);
      await lettingGo(ports, held.record, letGo);
      ports.log.error('run-failed', { run: id, code: error.code, message: error.message });
      return saved.record;
    } catch (conflict) {
      if (!(conflict instanceof AppError) || conflict.code !== 'fenced') throw conflict;
    }
  }
}

type LetGo = (run: RunRecord) => Promise<void>;

/** What cannot be given back runs out by itself: the end of the run stands either way. */
export async function lettingGo(ports: Pick<Ports, 'log'>, run: RunRecord, letGo: LetGo): Promise<void> {
  const warn = (message: string): void =>
    ports.log.warn('locks-not-released', { run: run.id, message, hint: LOCKS_END });
  if (run.hidden === true) {
    warn('What it locked is encrypted with another key or database token than the one set here');
    return;
  }
  try {
    await letGo(run);
  } catch (error) {
    const { code, message } = toAppError(error);
    warn(`${message} (${code})`);
  }
}

const LOCKS_END =
  'Its locks (cluster:lock:PROJECT) end by themselves within 15 minutes. To end one now: DEL cluster:lock:PROJECT in the database.';
