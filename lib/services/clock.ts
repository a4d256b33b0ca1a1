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

/** That of /proc/uptime. */
const RESOLUTION_MS = 10;
let asked = { at: -Infinity, uptime: 0 };

/**
 * Not performance.now(), which stands still while a machine sleeps. The system takes 25 microseconds to answer, and is asked
 * once for each key: again only when the date has moved, as it has after a sleep.
 */
function uptime(): number {
  const at = Date.now();
  if (Math.abs(at - asked.at) >= RESOLUTION_MS) asked = { at, uptime: secondsUp() * 1000 };
  return asked.uptime;
}
