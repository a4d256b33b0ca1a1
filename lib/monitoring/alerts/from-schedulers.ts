import type { Facts } from '../facts.js';
import { CRON_SILENT_MS } from '../objectives.js';
import { heardOf, heardWords, type Heard, type Scheduler } from '../schedulers.js';
import type { Condition } from './condition.js';
import type { AlertSource, EvaluateOptions } from './source.js';

const HINTS: Readonly<Record<Scheduler, string>> = {
  cron: 'See that the cron of /api/cron/guard is on in the Vercel project (Settings, Cron Jobs) and that CRON_SECRET is set there, and its log.',
  schedule:
    'See the schedule and its messages in the QStash console; `npx soulcaster-backup doctor --env-file .env` makes the schedule and tries the way back.',
};

export const SCHEDULER_ALERTS: AlertSource<'guard-silent'> = { codes: { 'guard-silent': 'facts' }, find: silence };

function silence({ entries, now }: Facts, { guard, schedulers }: EvaluateOptions): Condition<'guard-silent'>[] {
  if (guard.lastRunAt !== null && schedulers.length > 0) return silentConditions(heardOf(schedulers, guard, now));
  const first = entries.at(-1)?.manifest?.createdAt;
  const since = Date.parse(guard.lastRunAt ?? first ?? '');
  if (Number.isNaN(since) || now - since < CRON_SILENT_MS) return [];
  const message = guard.lastRunAt === null ? 'The guard has never run.' : `The guard ran last at ${guard.lastRunAt}.`;
  const hint =
    'See that the cron of /api/cron/guard is on in the Vercel project, and its log; `npx soulcaster-backup guard --env-file .env` runs it by hand.';
  return [{ code: 'guard-silent', subject: 'guard', message, hint }];
}

/** An alert for each scheduler whose time is over. */
export function silentConditions(heard: readonly Heard[]): Condition<'guard-silent'>[] {
  return heard
    .filter(({ state }) => state === 'silent')
    .map((each) => ({
      code: 'guard-silent',
      subject: each.scheduler,
      message: `${heardWords(each)}; it was due by ${each.dueBy ?? ''}.`,
      hint: HINTS[each.scheduler],
    }));
}
