import { AHEAD_MS } from '../snapshot/order.js';
import type { Schedule, Schedules } from '../ports/queue.js';
import { CRON_SILENT_MS, SCHEDULE_SILENT_MS } from './objectives.js';
import { type Caller, CALLERS, type Callers, type GuardState } from './state.js';

/** A caller of the guard that needs no operator. Either alone keeps the objective; with both, each reports the other's silence. */
export type Scheduler = Exclude<Caller, 'operator'>;

/** How long a scheduler may be silent: its interval, its tolerated delay, and a margin. */
const SILENT_MS: Readonly<Record<Scheduler, number>> = { cron: CRON_SILENT_MS, schedule: SCHEDULE_SILENT_MS };

const NAMES: Readonly<Record<Scheduler, string>> = {
  cron: 'The cron of the guard',
  schedule: "The queue's schedule of the guard",
};

type RecordedCalls = Pick<GuardState, 'callers' | 'lastRunAt'>;

export interface SchedulerStatus {
  readonly scheduler: Scheduler;
  /** `silent`: overdue. `unknown`: it has never called and is not overdue, or its last call is dated in the future. */
  readonly state: 'heard' | 'silent' | 'unknown';
  /** ISO 8601; null when it never called. */
  readonly lastAt: string | null;
  /** By when the next call is due, ISO 8601; null if unknown. */
  readonly dueBy: string | null;
}

/** The status of each configured scheduler, in the order of CALLERS. */
export function evaluateSchedulers(
  schedulers: readonly Scheduler[],
  { callers, lastRunAt }: RecordedCalls,
  now: number,
): SchedulerStatus[] {
  return CALLERS.filter((caller): caller is Scheduler => schedulers.includes(caller as Scheduler)).map((scheduler) => {
    const record = callers[scheduler];
    const lastAt = record?.lastAt ?? null;
    const since = Date.parse(lastAt ?? record?.since ?? lastRunAt ?? '');
    if (Number.isNaN(since)) return { scheduler, state: 'unknown', lastAt, dueBy: null };
    const due = since + SILENT_MS[scheduler];
    const isAhead = since > now + AHEAD_MS;
    const state = now >= due ? 'silent' : lastAt === null || isAhead ? 'unknown' : 'heard';
    return { scheduler, state, lastAt, dueBy: new Date(due).toISOString() };
  });
}

/** Adds a call of the guard, and the schedulers that are expected to call from now on. */
export function recordCall(callers: Callers, caller: Caller, schedulers: readonly Scheduler[], at: string): Callers {
  const expected = Object.fromEntries(
    schedulers.filter((each) => callers[each] === null).map((each) => [each, { since: at, lastAt: null }]),
  );
  return { ...callers, ...expected, [caller]: { since: callers[caller]?.since ?? at, lastAt: at } };
}

export function describeScheduler({ lastAt, scheduler, state }: SchedulerStatus): string {
  const name = NAMES[scheduler];
  if (lastAt === null) return `${name} has never called`;
  return state === 'unknown'
    ? `${name} called at ${lastAt}, which is in the future`
    : `${name} last called at ${lastAt}`;
}

/** Off the full hour, when most crons run, ours included. */
export const SCHEDULE_CRON = '17 * * * *';

/**
 * Whether the schedule was correct, was created, was corrected, or has been paused. `left-unchanged`: it calls another address,
 * and the wanted one does not answer.
 */
export type ScheduleOutcome = 'kept' | 'made' | 'corrected' | 'paused' | 'left-unchanged';

/**
 * Creates or corrects the schedule by which the queue calls the guard every hour. Idempotent, concurrent calls included.
 * Leaves a paused schedule paused: an operator did that on purpose. Moves it to another address only if `answers` finds that
 * the functions answer there: a wrong PUBLIC_URL here must not stop the calls. Throws what the port throws.
 */
export async function ensureSchedule(
  schedules: Schedules,
  wanted: Schedule,
  answers: () => Promise<boolean>,
): Promise<ScheduleOutcome> {
  const found = await schedules.find(wanted.id);
  if (found?.paused === true) return 'paused';
  if (found !== null && found.destination === wanted.destination && found.cron === wanted.cron) return 'kept';
  if (found !== null && found.destination !== wanted.destination && !(await answers())) return 'left-unchanged';
  await schedules.put(wanted);
  return found === null ? 'made' : 'corrected';
}
