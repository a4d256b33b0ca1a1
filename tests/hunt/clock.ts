import { AsyncLocalStorage } from 'node:async_hooks';
import { setTimeout as delay } from 'node:timers/promises';
import type { Clock } from '../../lib/ports/clock.js';

/** How far the clock of the command that is running here is ahead, in milliseconds. */
export const skew = new AsyncLocalStorage<number>();

/** Stands in place of lib/services/clock.ts in the hunt's bundle, so that each command may have a separate clock. */
export function systemClock(): Clock {
  return {
    // Asked each time: the program makes one clock for the whole process.
    now: () => Date.now() + (skew.getStore() ?? 0),
    async sleep(ms, signal) {
      await delay(ms, undefined, signal === undefined ? {} : { signal }).catch(() => undefined);
    },
  };
}
