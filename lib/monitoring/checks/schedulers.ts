import type { Schedule, Schedules } from '../../ports/schedules.js';
import { fail, ok, warn, type Check, type CheckGroup, type Observation } from '../../health/doctor.js';
import { ensureSchedule, type Ensured } from '../schedule.js';
import { heardOf, heardWords, type Scheduler } from '../schedulers.js';
import type { GuardState } from '../state.js';

/** Whether the queue calls the guard every hour: makes the schedule where it is missing or wrong. `open` may throw `config`. */
export function scheduleCheck(open: () => Schedules, wanted: Schedule): Check {
  return {
    name: 'queue-schedule',
    run: async () => evaluate(await ensureSchedule(open(), wanted), wanted),
  };
}

const WORDS: Readonly<Record<Exclude<Ensured, 'paused'>, string>> = {
  kept: 'is there',
  made: 'was missing and has been made',
  corrected: 'had another address or time and has been corrected',
};

function evaluate(ensured: Ensured, { cron, destination, id }: Schedule): Observation {
  if (ensured !== 'paused') return ok(`the schedule ${id} ${WORDS[ensured]}: it calls ${destination} at ${cron} (UTC)`);
  return warn(
    `the schedule ${id} is paused: the guard is called by the cron alone`,
    'Resume it in the QStash console (Schedules), or remove it there and run doctor again.',
  );
}

/** Whether each scheduler that is configured was heard of by the guard. `known` is null where the store cannot be asked. */
export function schedulerChecks(
  schedulers: readonly Scheduler[],
  known: () => Promise<Pick<GuardState, 'callers' | 'lastRunAt'> | null>,
  now: () => number,
): CheckGroup[] {
  return schedulers.map((scheduler) => [
    {
      name: `guard-${scheduler}`,
      run: async () => {
        const state = await known();
        if (state === null)
          return { status: 'skipped', detail: 'not known, since the store cannot be asked', hint: null };
        const [heard] = heardOf([scheduler], state, now());
        if (heard === undefined) throw new TypeError(`no word on ${scheduler}`);
        if (heard.state === 'heard') return ok(heardWords(heard));
        if (heard.state === 'silent')
          return fail(`${heardWords(heard)}; it was due by ${heard.dueBy ?? ''}`, HINTS[scheduler]);
        return warn(heardWords(heard), `${HINTS[scheduler]} After a first deployment wait for its time.`);
      },
    },
  ]);
}

const HINTS: Readonly<Record<Scheduler, string>> = {
  cron: 'See Settings, Cron Jobs in the Vercel project: is it on, and is CRON_SECRET set there?',
  schedule:
    'See the schedule and its messages in the QStash console; queue-way-back and queue-delivery above try the way back.',
};
