import { setTimeout as delay } from 'node:timers/promises';
import type { Clock } from '../../lib/ports/clock.js';

/** A clock that a test turns. Sleepers wake when it passes their time. */
export interface ManualClock extends Clock {
  advance(ms: number): Promise<void>;
}

export function manualClock(start = Date.parse('2026-11-22T02:00:00Z')): ManualClock {
  let now = start;
  let sleepers: { until: number; wake: () => void }[] = [];
  return {
    now: () => now,
    sleep(ms, signal) {
      if (signal?.aborted === true) return Promise.resolve();
      return new Promise((resolve) => {
        sleepers.push({ until: now + ms, wake: resolve });
        signal?.addEventListener('abort', () => resolve());
      });
    },
    async advance(ms) {
      now += ms;
      const due = sleepers.filter(({ until }) => until <= now);
      sleepers = sleepers.filter(({ until }) => until > now);
      for (const { wake } of due) wake();
      // Lets what was woken run up to its next wait on the disk.
      await new Promise((resolve) => setTimeout(resolve, 20));
    },
  };
}

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

/** A clock in which no sleep lasts: time jumps on instead. */
export function jumpingClock(): Clock & { jump(ms: number): void } {
  let ahead = 0;
  return {
    now: () => Date.now() + ahead,
    async sleep(ms, signal) {
      if (signal?.aborted === true) return;
      ahead += ms;
      await new Promise((resolve) => setImmediate(resolve));
    },
    jump: (ms) => void (ahead += ms),
  };
}
