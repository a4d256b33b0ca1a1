import { setTimeout as delay } from 'node:timers/promises';
import type { Clock } from '../../lib/ports/clock.js';

/** This many milliseconds of this clock are one of the machine's. */
const PACE = 200;

/** A clock on which waiting is short: it continues by what is slept, and by nothing else. */
export function quickClock(): Clock {
  let now = Date.now();
  return {
    now: () => now,
    async sleep(ms, signal) {
      if (signal?.aborted === true) return;
      await delay(ms / PACE, undefined, signal === undefined ? {} : { signal }).catch(() => undefined);
      now += ms;
    },
  };
}
