import { AHEAD_MS } from '../../snapshot/order.js';
import { DRILL_COMMAND, DRILLED_ELSEWHERE, lastVerdict, LOCAL_DRILL_COMMAND, timeOf } from '../drill-view.js';
import { ownEntries, type Facts } from '../facts.js';
import { DRILL_OVERDUE_MS, recoveryPointOf, recoveryTimeOf } from '../objectives.js';
import type { AlertSource, Condition, EvaluateOptions } from './condition.js';

type Code = 'drill-failed' | 'drill-overdue' | 'rto-breached';

/** Alerts of drills, and of the recovery time objective that they measure. */
export const DRILL_ALERTS: AlertSource<Code> = {
  codes: { 'drill-failed': 'facts', 'drill-overdue': 'facts', 'rto-breached': 'facts' },
  find: (facts, { drilledBy }) => [...findFailed(facts), ...findOverdue(facts, drilledBy), ...findTooSlow(facts)],
};

const DAY_MS = 24 * 3_600_000;

function findFailed({ drills, now }: Facts): Condition<Code>[] {
  const last = drills.find(
    (drill) => (drill.outcome === 'passed' || drill.outcome === 'failed') && timeOf(drill) <= now + AHEAD_MS,
  );
  if (last?.outcome !== 'failed') return [];
  const message = `Drill ${last.id} of snapshot ${last.snapshot ?? 'none'} failed: ${last.reason ?? 'no reason was recorded'}`;
  const hint = `See \`npx soulcaster-backup run ${last.id} --env-file .env\`; fix the cause, then drill again: \`${DRILL_COMMAND}\`.`;
  return [{ code: 'drill-failed', subject: 'drill', message, hint }];
}

/** Without any verdict and without a scratch database, drills are not wanted. */
function findOverdue(facts: Facts, drilledBy: EvaluateOptions['drilledBy']): Condition<Code>[] {
  const { drills, now } = facts;
  const verdict = lastVerdict(facts, now);
  if (verdict === null && drilledBy === null) return [];
  const first = ownEntries(facts).at(-1)?.manifest?.createdAt;
  const since = verdict === null ? Date.parse(first ?? '') : timeOf(verdict);
  if (Number.isNaN(since) || now - since < DRILL_OVERDUE_MS) return [];
  const days = Math.floor((now - since) / DAY_MS);
  const last = drills.find(({ outcome }) => outcome === 'inconclusive');
  const why = last?.reason == null ? '' : ` The last drill was inconclusive: ${last.reason}.`;
  const message = `No drill has reached a verdict for ${days} days; a drill is due every week.${why}`;
  const hint =
    drilledBy === 'operator'
      ? `${DRILLED_ELSEWHERE}, once a week: \`${LOCAL_DRILL_COMMAND}\`.`
      : `Set DRILL_REDIS_REST_URL and _TOKEN to an empty database that is used for nothing else, then \`${DRILL_COMMAND}\`.`;
  return [{ code: 'drill-overdue', subject: 'drill', message, hint }];
}

function findTooSlow(facts: Facts): Condition<Code>[] {
  const keys = recoveryPointOf(facts).newest?.manifest?.counts.keys ?? null;
  const { met, projectedMilliseconds } = recoveryTimeOf(facts.lastPassed, keys);
  if (met !== false || projectedMilliseconds === null) return [];
  const hours = (projectedMilliseconds / 3_600_000).toFixed(1);
  const message = `A full restore would take ${hours} hours, based on drill ${facts.lastPassed?.id ?? ''}; the objective is 4.`;
  const hint = 'Raise RESTORE_TASKS_AT_A_TIME as far as the QStash plan allows, or the rate limit of the database.';
  return [{ code: 'rto-breached', subject: 'database', message, hint }];
}
