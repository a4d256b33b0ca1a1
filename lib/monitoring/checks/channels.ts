import { fail, ok, warn, type Check, type CheckGroup, type Observation } from '../../health/doctor.js';
import type { Heartbeat } from '../../ports/heartbeat.js';
import type { Reachable } from '../../ports/reachable.js';
import { deliveryTo } from '../alerts/view.js';
import type { TestResult } from '../alerts/test-message.js';
import type { DeliveryState, HeartbeatState } from '../state.js';

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
