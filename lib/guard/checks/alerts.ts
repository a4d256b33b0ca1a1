import type { Reachable } from '../../ports/reachable.js';
import { ok, fail, warn, type CheckGroup, type Observation } from '../doctor.js';
import type { DeliveryState } from '../state.js';

/**
 * Whether alerts arrive. Nothing is sent, since a test alert is an alert: the host is reached, and what became of the last
 * message is read. `open` may throw `config`; `last` is null where the store cannot be asked.
 */
export function alertChecks(open: () => Reachable, last: () => Promise<DeliveryState | null>): CheckGroup {
  return [
    {
      name: 'alerts',
      look: async () => {
        await open().reach();
        return judge(await last());
      },
    },
  ];
}

/** Whether the watchdog's host is there. It is not pinged: that would be a sign of life. */
export function heartbeatChecks(open: () => Reachable): CheckGroup {
  return [
    {
      name: 'heartbeat',
      look: async () => {
        await open().reach();
        return ok('its host is reached; the address itself is left to the runs, as a ping is a sign of life');
      },
    },
  ];
}

function judge(state: DeliveryState | null): Observation {
  const test = 'Try it: npx soulcaster-backup alerts test --env-file .env';
  if (state?.lastFailure != null) {
    const { at, hint, message, outcome } = state.lastFailure;
    if (outcome === 'failed') return fail(`the last message, ${at}, did not arrive: ${message}`, hint);
    return warn(`of the last message, ${at}, it is not known whether it arrived: ${message}`, `${hint} ${test}`);
  }
  if (state?.lastSentAt == null) return warn('the host is reached, but no message was ever delivered', test);
  return ok(`the last message was delivered ${state.lastSentAt}`);
}
