import { DRILLED_ELSEWHERE, LOCAL_DRILL_COMMAND, timeOf, type DrillView } from '../drill-view.js';
import { DRILL_EVERY_MS } from '../objectives.js';
import { ok, warn, type CheckGroup } from '../../health/doctor.js';

/** A line for the crontab of a machine that has the age identity. */
export const DRILL_CRON = '17 5 * * 1 cd FOLDER && npx soulcaster-backup drill --local --env-file .env';

/** Whether an operator makes the weekly drill, where no function can. `last`: the last that came to a verdict; it may throw. */
export function operatorDrillCheck(last: () => Promise<DrillView | null>, now: () => number): CheckGroup {
  const hint = `Drill now: ${LOCAL_DRILL_COMMAND}. Then weekly, by the crontab of that machine: ${DRILL_CRON}`;
  return [
    {
      name: 'drill-weekly',
      run: async () => {
        const verdict = await last();
        if (verdict === null) return warn(`${DRILLED_ELSEWHERE}: none has passed yet`, hint);
        const due = new Date(timeOf(verdict) + DRILL_EVERY_MS).toISOString();
        const words = `${DRILLED_ELSEWHERE}: the last one ${verdict.outcome}, the next is due ${due}`;
        return now() < Date.parse(due) && verdict.outcome === 'passed' ? ok(words) : warn(words, hint);
      },
    },
  ];
}
