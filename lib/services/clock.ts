import { uptime } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import type { Clock } from '../ports/clock.js';

/** The machine's clock. */
export function systemClock(): Clock {
  return {
    now: () => Date.now(),
    uptime: readUptime,
    async sleep(ms, signal) {
      // An aborted sleep ends without an error: the caller checks its own signal.
      await delay(ms, undefined, signal === undefined ? {} : { signal }).catch(() => undefined);
    },
  };
}

/** Resolution of /proc/uptime. */
const RESOLUTION_MS = 10;
let lastReading = { at: -Infinity, uptime: 0 };

/**
 * Not performance.now(), which stops while the machine sleeps. Reading the system's uptime takes 25 microseconds and is
 * called once per key, so it is read again only when the date has moved, as it has after a sleep.
 */
function readUptime(): number {
  const at = Date.now();
  if (Math.abs(at - lastReading.at) >= RESOLUTION_MS) lastReading = { at, uptime: uptime() * 1000 };
  return lastReading.uptime;
}
