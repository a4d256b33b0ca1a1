import { fail, ok, warn, type Check, type CheckGroup, type Observation } from '../health/doctor.js';
import type { Heartbeat } from '../ports/heartbeat.js';
import type { Reachable } from '../ports/alerter.js';
import { deliveryTo } from './alerts/view.js';
import type { TestResult } from './alerts/test-message.js';
import type { DeliveryState, HeartbeatState, GuardState } from './state.js';
import type { Schedule, Schedules } from '../ports/schedules.js';
import { ensureSchedule, type Ensured, heardOf, heardWords, type Scheduler } from './schedulers.js';
import { DRILLED_ELSEWHERE, LOCAL_DRILL_COMMAND, timeOf, type DrillView } from './drill-view.js';
import { DRILL_EVERY_MS } from './objectives.js';

interface AlertChannel {
  /** May throw `config`. */
  readonly open: () => Reachable & { readonly address: string | null };
  /** How the last message went; null where the store cannot be asked. */
  readonly last: () => Promise<DeliveryState | null>;
  /** Sends a message that says that it is a test. */
  readonly test: () => Promise<TestResult>;
  readonly now: () => number;
}

/** A message that was delivered proves the channel for so long, in milliseconds. */
const PROVEN_MS = 30 * 24 * 3_600_000;
/** After a message with an unknown end the next test waits for so long, in milliseconds. */
const UNKNOWN_MS = 24 * 3_600_000;

/**
 * Whether alerts arrive: the host is reached, and what became of the last message is read. A test message is sent only
 * where none was delivered to this address within a month, or the last one was not: a test alert is an alert.
 */
export function alertChecks({ last, now, open, test }: AlertChannel): CheckGroup {
  return [
    {
      name: 'alerts',
      // A receiver that is slow is waited for, and that is not worth a copy.
      limitMs: 45_000,
      run: async () => {
        const channel = open();
        await channel.reach();
        const known = await last();
        // A test that cannot be noted would be sent again at every turn.
        if (known === null) {
          const unknown = 'the host is reached; how the last message went cannot be read from the store';
          return warn(unknown, `Mend the store first. ${TRY}`);
        }
        const delivery = deliveryTo(known, channel.address);
        const sentAt = delivery.lastFailure === null ? delivery.lastSentAt : null;
        if (sentAt !== null && now() - Date.parse(sentAt) < PROVEN_MS)
          return ok(`the last message was delivered ${sentAt}`);
        // A receiver that is slow may have taken the last one: an hourly copy would be worse than to say so.
        const { lastFailure } = delivery;
        if (lastFailure?.outcome === 'unknown' && now() - Date.parse(lastFailure.at) < UNKNOWN_MS)
          return fail(lastFailure.message, lastFailure.hint);
        return tested(await test());
      },
    },
  ];
}

const TRY = 'Try it: npx soulcaster-backup alerts test --env-file .env';

function tested({ error, milliseconds, outcome }: TestResult): Observation {
  if (outcome === 'delivered') return ok(`a test message was delivered (${milliseconds} ms)`);
  const { hint, message } = error ?? { hint: TRY, message: 'no answer' };
  return fail(`a test message ${outcome === 'failed' ? 'did not arrive' : 'may not have arrived'}: ${message}`, hint);
}

/** Whether the watchdog takes pings, by one that is no sign of life. `open` may throw `config`. */
export function heartbeatChecks(open: () => Heartbeat): CheckGroup {
  return [
    {
      name: 'heartbeat',
      run: async () => {
        await open().ping('log');
        return ok('it takes pings: one to /log, which is no sign of life, was taken');
      },
    },
  ];
}

/** The same for the guard, which has just pinged. */
export function pingedCheck({ at, error }: HeartbeatState): Check {
  const seen = error === null ? ok(`it took the ping of ${at}`) : fail(error.message, error.hint);
  return { name: 'heartbeat', run: () => Promise.resolve(seen) };
}

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
