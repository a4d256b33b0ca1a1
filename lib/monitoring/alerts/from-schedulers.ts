import { ownEntries, type Facts } from '../facts.js';
import { CRON_SILENT_MS } from '../objectives.js';
import { describeScheduler, evaluateSchedulers, type Scheduler, type SchedulerStatus } from '../schedulers.js';
import type { AlertSource, Condition, EvaluateOptions } from './condition.js';

const HINTS: Readonly<Record<Scheduler, string>> = {
  cron: 'In the Vercel project, check that the cron of /api/cron/guard is enabled (Settings, Cron Jobs) and that CRON_SECRET is set, and read its log.',
  schedule:
    'Check the schedule and its messages in the QStash console; `npx soulcaster-backup doctor --env-file .env` creates the schedule and tests its calls to the deployment.',
};

export const SCHEDULER_ALERTS: AlertSource<'guard-silent'> = { codes: { 'guard-silent': 'facts' }, find: findSilent };

function findSilent(facts: Facts, { guard, schedulers }: EvaluateOptions): Condition<'guard-silent'>[] {
  if (guard.lastRunAt !== null && schedulers.length > 0)
    return silentConditions(evaluateSchedulers(schedulers, guard, facts.now));
  const first = ownEntries(facts).at(-1)?.manifest?.createdAt;
  const since = Date.parse(guard.lastRunAt ?? first ?? '');
  if (Number.isNaN(since) || facts.now - since < CRON_SILENT_MS) return [];
  const message = guard.lastRunAt === null ? 'The guard has never run.' : `The guard last ran at ${guard.lastRunAt}.`;
  const hint =
    'Check that the cron of /api/cron/guard is enabled in the Vercel project, and read its log; `npx soulcaster-backup guard --env-file .env` runs the guard by hand.';
  return [{ code: 'guard-silent', subject: 'guard', message, hint }];
}

/** One alert for each overdue scheduler. */
export function silentConditions(statuses: readonly SchedulerStatus[]): Condition<'guard-silent'>[] {
  return statuses
    .filter(({ state }) => state === 'silent')
    .map((each) => ({
      code: 'guard-silent',
      subject: each.scheduler,
      message: `${describeScheduler(each)}; it was due by ${each.dueBy ?? ''}.`,
      hint: HINTS[each.scheduler],
    }));
}
