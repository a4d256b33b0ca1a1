import type { Clock } from '../../lib/ports/clock.js';

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
