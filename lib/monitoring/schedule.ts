import type { Schedule, Schedules } from '../ports/schedules.js';

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
