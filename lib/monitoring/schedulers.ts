import { AHEAD_MS, CRON_SILENT_MS, SCHEDULE_SILENT_MS } from './objectives.js';
import { CALLERS, type Caller, type Callers, type GuardState } from './state.js';
import type { Schedule, Schedules } from '../ports/schedules.js';

/** What calls the guard unattended. Either alone keeps the recovery point; both, so that one tells of the other. */
export type Scheduler = Exclude<Caller, 'operator'>;

/** How long a scheduler may be silent, in milliseconds: its interval, how late it may be, and a little. */
const SILENT_MS: Readonly<Record<Scheduler, number>> = { cron: CRON_SILENT_MS, schedule: SCHEDULE_SILENT_MS };

const NAMES: Readonly<Record<Scheduler, string>> = {
  cron: 'The cron of the guard',
  schedule: "The queue's schedule of the guard",
};

type Known = Pick<GuardState, 'callers' | 'lastRunAt'>;

/** How one scheduler stands. */
export interface Heard {
  readonly scheduler: Scheduler;
  /** `silent`: its time is over. `unknown`: never heard of, and its time is not over; or heard of in the future. */
  readonly state: 'heard' | 'silent' | 'unknown';
  /** ISO 8601; null when it never called. */
  readonly lastAt: string | null;
  /** By when it has to be heard of next, ISO 8601; null when that is not known. */
  readonly dueBy: string | null;
}

/** How each scheduler that is configured stands, in the order of CALLERS. */
export function heardOf(schedulers: readonly Scheduler[], { callers, lastRunAt }: Known, now: number): Heard[] {
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

/** The calls of the guard with one more, and with the schedulers from which one is expected from now on. */
export function noteCall(callers: Callers, caller: Caller, schedulers: readonly Scheduler[], at: string): Callers {
  const expected = Object.fromEntries(
    schedulers.filter((each) => callers[each] === null).map((each) => [each, { since: at, lastAt: null }]),
  );
  return { ...callers, ...expected, [caller]: { since: callers[caller]?.since ?? at, lastAt: at } };
}

export function heardWords({ lastAt, scheduler, state }: Heard): string {
  const name = NAMES[scheduler];
  if (lastAt === null) return `${name} has never called`;
  return state === 'unknown'
    ? `${name} called at ${lastAt}, which is in the future`
    : `${name} called last at ${lastAt}`;
}

/** Off the full hour, when everybody's crons fire, and ours. */
export const SCHEDULE_CRON = '17 * * * *';

/** What became of the schedule: it was as it should be, was made, was put right, or somebody has paused it. */
export type Ensured = 'kept' | 'made' | 'corrected' | 'paused';

/**
 * Makes or corrects the schedule by which the queue calls the guard every hour. A second call, also at the same time, changes
 * nothing more. A schedule that was paused is left so: somebody did that on purpose. Throws what the port throws.
 */
export async function ensureSchedule(schedules: Schedules, wanted: Schedule): Promise<Ensured> {
  const found = await schedules.find(wanted.id);
  if (found?.paused === true) return 'paused';
  if (found !== null && found.destination === wanted.destination && found.cron === wanted.cron) return 'kept';
  await schedules.put(wanted);
  return found === null ? 'made' : 'corrected';
}
