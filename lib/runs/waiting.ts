import type { AppError, ErrorCode } from '../errors.js';
import type { Ports } from '../ports/index.js';
import { failureOf } from './ending.js';
import { keepLease } from './lease.js';
import type { Budget } from './attempt.js';
import { attemptMessage } from './messages.js';
import type { RunRecord } from './model.js';

type Needs = Pick<Ports, 'clock' | 'queue' | 'store'>;

/** What a run sits out rather than fails on, since it passes by itself, though not soon. */
const PASSING: ReadonlySet<ErrorCode> = new Set(['embedder-quota', 'vector-quota', 'vector-pending']);
const DEFAULT_WAIT_MS = 60 * 60 * 1000;
/** Then a run looks again, however long a service says that it has to wait. */
const LONGEST_WAIT_MS = 24 * 60 * 60 * 1000;
const SKEW_MS = 60 * 60 * 1000;

/** Whether a run sleeps over an error. Only a queue can wake it again. */
export function mayWait(error: AppError, budget: Budget | null): boolean {
  return PASSING.has(error.code) && budget !== null && !budget.lastAttempt && !budget.interrupt.aborted;
}

/** Whether a run sleeps and is not to be woken yet. */
export function isAsleep(run: RunRecord, now: number): boolean {
  return run.state === 'waiting' && now < resumeTime(run) && !isBeyondWaiting(run, now);
}

/** Whether the time at which a run is to be woken is further off than any wait: a clock that was ahead set it. */
export function isBeyondWaiting(run: Pick<RunRecord, 'resumeAt'>, now: number): boolean {
  return resumeTime(run) - now > LONGEST_WAIT_MS + SKEW_MS;
}

/** What changes in the record of a run that goes to sleep. */
export function asleep(
  now: number,
  error: AppError,
): Pick<RunRecord, 'error' | 'lastError' | 'nextAttemptAt' | 'resumeAt' | 'state'> {
  const waitMs = Math.min(error.retryAfterMs ?? DEFAULT_WAIT_MS, LONGEST_WAIT_MS);
  const resumeAt = new Date(now + waitMs).toISOString();
  const lastError = { code: error.code, message: error.message, at: new Date(now).toISOString() };
  return { state: 'waiting', resumeAt, nextAttemptAt: resumeAt, error: failureOf(error), lastError };
}

/** What changes in the record of a run that works; its messages of before would be taken for doubles, or are used up. */
export function awake(run: RunRecord): Partial<RunRecord> {
  if (run.state !== 'waiting') return {};
  return { state: 'running', resumeAt: null, error: null, leg: run.leg + 1, handedOut: null };
}

/** Has the queue wake a sleeping run, and keeps its lease until then. */
export async function callLater(ports: Needs, run: RunRecord): Promise<void> {
  const waitMs = Math.max(0, resumeTime(run) - ports.clock.now());
  const holdMs = waitMs + DEFAULT_WAIT_MS;
  await keepLease(ports, run.lease, run.id, { attemptTtlMs: 0, holdMs });
  await ports.queue.publish([attemptMessage(run.id, run.leg, Math.ceil(waitMs / 1000), `-wake-${run.fence}`)]);
}

/** When a run is to be woken, in milliseconds since the epoch; 0 for one that does not wait, or that does not say. */
export function resumeTime(run: Pick<RunRecord, 'resumeAt'>): number {
  return Date.parse(run.resumeAt ?? '') || 0;
}
