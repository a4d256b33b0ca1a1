import { uptime as secondsUp } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import type { Clock } from '../ports/clock.js';

/** The machine's clock. */
export function systemClock(): Clock {
  return {
    now: () => Date.now(),
    uptime,
    async sleep(ms, signal) {
      // An aborted sleep is a sleep that is over: the caller looks at its signal itself.
      await delay(ms, undefined, signal === undefined ? {} : { signal }).catch(() => undefined);
    },
  };
}

/** Not performance.now(), which stands still while a machine sleeps. */
function uptime(): number {
  return secondsUp() * 1000;
}
