import { groupOf, skipped, fail, ok, warn, type Check, type CheckGroup, type Observation } from '../health/doctor.js';
import type { Heartbeat, Reachable } from '../ports/alerter.js';
import { deliveryTo, type TestResult } from './alerts/messages.js';
import type { DeliveryState, HeartbeatState, GuardState } from './state.js';
import type { Schedule, Schedules } from '../ports/queue.js';
import { DRILLED_ELSEWHERE, type DrillView, LOCAL_DRILL_COMMAND, timeOf } from './drill-view.js';
import { DRILL_EVERY_MS } from './objectives.js';
import {
  describeScheduler,
  ensureSchedule,
  evaluateSchedulers,
  type ScheduleOutcome,
  type Scheduler,
} from './schedulers.js';

interface AlertChannel {
  /** May throw `config`. */
  readonly open: () => Reachable & { readonly address: string | null };
  /** Outcome of the last message; null if the store cannot be read. */
  readonly last: () => Promise<DeliveryState | null>;
  /** Sends a message that says that it is a test. */
  readonly test: () => Promise<TestResult>;
  readonly now: () => number;
}

/** A delivered message proves the channel for this long. */
const PROVEN_MS = 30 * 24 * 3_600_000;
/** After a message with an unknown outcome, the next test waits this long. */
const UNKNOWN_MS = 24 * 3_600_000;

/**
 * Checks that alerts arrive: connects to the host and reads the outcome of the last message. Sends a test message only if no
 * message was delivered to this address within a month, or the last one failed: people see a test alert, too.
 */
export function alertChecks({ last, now, open, test }: AlertChannel): CheckGroup {
  return [
    {
      name: 'alerts',
      // Waiting for a slow receiver is better than a duplicate message.
      limitMs: 45_000,
      run: async () => {
        const channel = open();
        await channel.reach();
        const known = await last();
        // A test whose outcome cannot be stored would be sent again on every turn.
        if (known === null) {
          const unknown = 'the host answers; the outcome of the last message cannot be read from the store';
          return warn(unknown, `Correct what the checks store and signature report first. ${TRY}`);
        }
        const delivery = deliveryTo(known, channel.address);
        const sentAt = delivery.lastFailure === null ? delivery.lastSentAt : null;
        if (sentAt !== null && now() - Date.parse(sentAt) < PROVEN_MS)
          return ok(`the last message was delivered ${sentAt}`);
        // A slow receiver may have accepted the last message: report that instead of sending a duplicate every hour.
        const { lastFailure } = delivery;
        if (lastFailure?.outcome === 'unknown' && now() - Date.parse(lastFailure.at) < UNKNOWN_MS)
          return fail(lastFailure.message, lastFailure.hint);
        return testObservation(await test());
      },
    },
  ];
}

const TRY = 'Send a test: npx soulcaster-backup alerts test --env-file .env';

function testObservation({ error, milliseconds, outcome }: TestResult): Observation {
  if (outcome === 'delivered') return ok(`a test message was delivered (${milliseconds} ms)`);
  const { hint, message } = error ?? { hint: TRY, message: 'no answer' };
  return fail(`a test message ${outcome === 'failed' ? 'did not arrive' : 'may not have arrived'}: ${message}`, hint);
}

/** Checks that the watchdog accepts pings, with a ping that does not count as a sign of life. `open` may throw `config`. */
export function heartbeatChecks(open: () => Heartbeat): CheckGroup {
  return groupOf('heartbeat', async () => {
    await open().ping('log');
    return ok('the watchdog accepted a ping to /log, which does not count as a sign of life');
  });
}

/** The heartbeat check of the guard, which has just pinged. */
export function pingedCheck({ at, error }: HeartbeatState): Check {
  const observation = error === null ? ok(`the watchdog accepted the ping of ${at}`) : fail(error.message, error.hint);
  return { name: 'heartbeat', run: () => Promise.resolve(observation) };
}

/** Checks that the queue calls the guard every hour; creates or corrects the schedule. `open` may throw `config`. */
export function scheduleCheck(open: () => Schedules, wanted: Schedule, answers: () => Promise<boolean>): Check {
  return {
    name: 'queue-schedule',
    run: async () => scheduleObservation(await ensureSchedule(open(), wanted, answers), wanted),
  };
}

const OUTCOME_WORDS: Readonly<Record<Exclude<ScheduleOutcome, 'paused' | 'left-unchanged'>, string>> = {
  kept: 'exists',
  made: 'was missing and has been created',
  corrected: 'had another address or time and has been corrected',
};

function scheduleObservation(outcome: ScheduleOutcome, { cron, destination, id }: Schedule): Observation {
  if (outcome === 'left-unchanged')
    return fail(
      `the schedule ${id} calls another address and is left unchanged: the functions do not answer at ${destination}`,
      'Set PUBLIC_URL to the address of the production deployment and run doctor again.',
    );
  if (outcome !== 'paused')
    return ok(`the schedule ${id} ${OUTCOME_WORDS[outcome]}: it calls ${destination} at ${cron} (UTC)`);
  return warn(
    `the schedule ${id} is paused: only the cron calls the guard`,
    'Resume it in the QStash console (Schedules), or remove it there and run doctor again.',
  );
}

/** Checks that each configured scheduler has called the guard. `known` returns null if the store cannot be read. */
export function schedulerChecks(
  schedulers: readonly Scheduler[],
  known: () => Promise<Pick<GuardState, 'callers' | 'lastRunAt'> | null>,
  now: () => number,
): CheckGroup[] {
  return schedulers.map((scheduler) =>
    groupOf(`guard-${scheduler}`, async () => {
      const state = await known();
      if (state === null) return skipped("unknown: the guard's record cannot be read from the store");
      const [status] = evaluateSchedulers([scheduler], state, now());
      if (status === undefined) throw new TypeError(`no status of ${scheduler}`);
      if (status.state === 'heard') return ok(describeScheduler(status));
      if (status.state === 'silent')
        return fail(`${describeScheduler(status)}; it was due by ${status.dueBy ?? ''}`, HINTS[scheduler]);
      return warn(describeScheduler(status), `${HINTS[scheduler]} After a first deployment, wait until it is due.`);
    }),
  );
}

const HINTS: Readonly<Record<Scheduler, string>> = {
  cron: 'In the Vercel project, check that the cron is enabled (Settings, Cron Jobs) and that CRON_SECRET is set.',
  schedule:
    'Check the schedule and its messages in the QStash console; queue-way-back and queue-delivery above test its calls to the deployment.',
};

/** Crontab line for a machine that has the age identity. */
export const DRILL_CRON = '17 5 * * 1 cd FOLDER && npx soulcaster-backup drill --local --env-file .env';

/** Checks that an operator runs the weekly drill where no function can. `last` returns the last drill with a verdict; it may throw. */
export function operatorDrillCheck(last: () => Promise<DrillView | null>, now: () => number): CheckGroup {
  const hint = `Drill now: ${LOCAL_DRILL_COMMAND}. Then weekly, by the crontab of that machine: ${DRILL_CRON}`;
  return groupOf('drill-weekly', async () => {
    const verdict = await last();
    if (verdict === null) return warn(`${DRILLED_ELSEWHERE}: none has passed yet`, hint);
    const due = new Date(timeOf(verdict) + DRILL_EVERY_MS).toISOString();
    const words = `${DRILLED_ELSEWHERE}: the last drill ${verdict.outcome}, the next is due ${due}`;
    return now() < Date.parse(due) && verdict.outcome === 'passed' ? ok(words) : warn(words, hint);
  });
}
