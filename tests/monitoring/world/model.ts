import { isYoung, RPO_MS } from '../../../lib/monitoring/objectives.js';
import { silentConditions } from '../../../lib/monitoring/alerts/from-schedulers.js';
import { evaluateSchedulers, recordCall, type Scheduler } from '../../../lib/monitoring/schedulers.js';
import type { Callers } from '../../../lib/monitoring/state.js';
import { SILENCE } from './judge.js';
import { DAY, dueBetween, HOUR, type Daily, type Path } from './timetable.js';

/** What may go wrong in a fortnight, and how long things take. All of it by `random`, from 0 up to 1. */
export interface Fortnight {
  readonly crons: readonly Daily[];
  readonly random: () => number;
  /** How often in 1 a cron is missed. */
  readonly missed: number;
  /** How often in 1 a call of the schedule is missed; never more than two in a row. */
  readonly lost: number;
  /** When a scheduler stops for good, in milliseconds from the beginning; left out, it does not. */
  readonly stops?: Partial<Readonly<Record<Scheduler, number>>>;
  readonly days?: number;
}

export interface Lived {
  /** How old the recovery point ever was once there was one, in milliseconds. */
  readonly oldest: number;
  /** When an alarm was raised first for each cause: `cron`, `schedule`, or `silence`, which the watchdog raises. */
  readonly alarms: ReadonlyMap<string, number>;
  /** When each scheduler was heard of last. */
  readonly lastCalls: Callers;
}

const MINUTE = 60_000;
/** Of each hour, at which the schedule calls. */
const SCHEDULED = 17;
const SCHEDULERS: readonly Scheduler[] = ['cron', 'schedule'];
const CALLER = { '/api/cron/guard': 'cron', '/api/schedules/guard': 'schedule' } as const;

/**
 * Fourteen days of the world without its parts: only who calls when, what the guard decides by the program's own rules, and
 * what becomes known of it. It begins with a snapshot and a call of each scheduler.
 */
export function live(fortnight: Fortnight): Lived {
  const { crons, days = 14, lost, missed, random, stops = {} } = fortnight;
  const alarms = new Map<string, number>();
  const iso = (time: number): string => new Date(time).toISOString();
  let callers: Callers = {
    cron: { since: iso(0), lastAt: iso(0) },
    schedule: { since: iso(0), lastAt: iso(0) },
    operator: null,
  };
  let newest = { from: 0, until: 0 };
  let under: { from: number; until: number } | null = null;
  let [oldest, pinged, losses] = [0, 0, 0];

  const settle = (now: number): void => {
    if (under === null || under.until > now) return;
    oldest = Math.max(oldest, under.until - newest.from);
    ping(under.until);
    newest = under;
    under = null;
  };
  const ping = (now: number): void => {
    if (now - pinged > SILENCE && !alarms.has('silence')) alarms.set('silence', pinged + SILENCE);
    pinged = now;
  };
  const snapshot = (now: number): void => {
    // Up to most of an hour, on a slow night.
    under ??= { from: now, until: now + Math.floor((2 + random() * 48) * MINUTE) };
  };
  const evaluate = (now: number): void => {
    for (const { subject } of silentConditions(evaluateSchedulers(SCHEDULERS, { callers, lastRunAt: iso(0) }, now)))
      if (!alarms.has(subject)) alarms.set(subject, now);
  };
  const isCalled = (path: Path, at: number): boolean => {
    const scheduler = path === '/api/schedules/guard' ? 'schedule' : 'cron';
    if (at >= (stops[scheduler] ?? Number.POSITIVE_INFINITY)) return false;
    if (scheduler === 'cron') return random() >= missed;
    losses = random() < lost && losses < 2 ? losses + 1 : 0;
    return losses === 0;
  };

  const delays = new Map<string, number>();
  const delay = (path: Path, day: number): number => {
    const key = `${path} ${day}`;
    const known = delays.get(key) ?? Math.floor(random() * (HOUR - MINUTE));
    delays.set(key, known);
    return known;
  };
  const end = days * DAY;
  for (const { at, path } of dueBetween(crons, { delay, scheduled: () => SCHEDULED }, 0, end)) {
    settle(at);
    if (path === null || !isCalled(path, at)) continue;
    // The nightly backup evaluates as well, and counts as no call of the guard.
    evaluate(at);
    if (path === '/api/cron/backup') {
      snapshot(at);
      continue;
    }
    const ageMs = at - newest.from;
    if (!isYoung({ ageMs })) snapshot(at);
    callers = recordCall(callers, CALLER[path], SCHEDULERS, iso(at));
    if (ageMs < RPO_MS) ping(at);
  }
  settle(end);
  if (end - pinged > SILENCE && !alarms.has('silence')) alarms.set('silence', pinged + SILENCE);
  return { oldest: Math.max(oldest, end - newest.from), alarms, lastCalls: callers };
}
