import type { AppError, ErrorCode } from '../errors.js';
import type { Ports } from '../ports/index.js';
import type { Budget } from './attempt.js';
import { failureOf } from './ending.js';
import { keepLease } from './lease.js';
import { attemptMessage } from './messages.js';
import type { RunRecord } from './model.js';

type Needs = Pick<Ports, 'clock' | 'queue' | 'store'>;

/** Errors on which a run waits instead of failing: the cause disappears without intervention, but not soon. */
const WAIT_CODES: ReadonlySet<ErrorCode> = new Set(['embedder-quota', 'vector-quota', 'vector-pending']);
const DEFAULT_WAIT_MS = 60 * 60 * 1000;
/** The run tries again after this time, even if the service names a longer wait. */
const LONGEST_WAIT_MS = 24 * 60 * 60 * 1000;
const SKEW_MS = 60 * 60 * 1000;

/** Whether a run waits on this error. Only a queue can wake it again. */
export function canWait(error: AppError, budget: Budget | null): boolean {
  return WAIT_CODES.has(error.code) && budget !== null && !budget.lastAttempt && !budget.interrupt.aborted;
}

/** Whether a run waits and its time to be woken has not come. */
export function isWaiting(run: RunRecord, now: number): boolean {
  return run.state === 'waiting' && now < resumeTime(run) && !isResumeTimeImplausible(run, now);
}

/** Whether `resumeAt` is further ahead than any wait: a clock that was ahead set it. */
export function isResumeTimeImplausible(run: Pick<RunRecord, 'resumeAt'>, now: number): boolean {
  return resumeTime(run) - now > LONGEST_WAIT_MS + SKEW_MS;
}

/** Changes to the record of a run that starts to wait. */
export function changesOnWait(
  now: number,
  error: AppError,
): Pick<RunRecord, 'error' | 'lastError' | 'nextAttemptAt' | 'resumeAt' | 'state'> {
  const waitMs = Math.min(error.retryAfterMs ?? DEFAULT_WAIT_MS, LONGEST_WAIT_MS);
  const resumeAt = new Date(now + waitMs).toISOString();
  const lastError = { code: error.code, message: error.message, at: new Date(now).toISOString() };
  return { state: 'waiting', resumeAt, nextAttemptAt: resumeAt, error: failureOf(error), lastError };
}

/** Changes to the record of a waiting run that is woken. Without a new attempt number the queue would drop its messages as duplicates. */
export function changesOnWake(run: RunRecord): Partial<RunRecord> {
  if (run.state !== 'waiting') return {};
  return { state: 'running', resumeAt: null, error: null, leg: run.leg + 1, handedOut: null };
}

/** Publishes the message that wakes a waiting run, and keeps its lease until then. */
export async function scheduleWake(ports: Needs, run: RunRecord): Promise<void> {
  const waitMs = Math.max(0, resumeTime(run) - ports.clock.now());
  const holdMs = waitMs + DEFAULT_WAIT_MS;
  await keepLease(ports, run.lease, run.id, { attemptTtlMs: 0, holdMs });
  await ports.queue.publish([attemptMessage(run.id, run.leg, Math.ceil(waitMs / 1000), `-wake-${run.fence}`)]);
}

/** When a run is to be woken, in milliseconds since the epoch; 0 if it has no valid `resumeAt`. */
export function resumeTime(run: Pick<RunRecord, 'resumeAt'>): number {
  return Date.parse(run.resumeAt ?? '') || 0;
}
