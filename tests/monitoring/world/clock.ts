import type { Clock } from '../../../lib/ports/clock.js';

/** Time as the world has it, and as the program's own clock shows it. */
export interface WorldClock extends Clock {
  /** The world's time. */
  true(): number;
  /** Puts the program's clock so far ahead of the world's; a negative number puts it back. */
  skew(ms: number): void;
  /** Lets the world's time pass until then. Who sleeps until an earlier time wakes. */
  passUntil(time: number): Promise<void>;
}

export function worldClock(start: number): WorldClock {
  let time = start;
  let ahead = 0;
  let sleepers: { readonly until: number; readonly wake: () => void }[] = [];
  return {
    now: () => time + ahead,
    uptime: () => time,
    true: () => time,
    skew: (ms) => void (ahead = ms),
    sleep(ms, signal) {
      if (signal?.aborted === true) return Promise.resolve();
      return new Promise((resolve) => {
        sleepers.push({ until: time + ms, wake: resolve });
        signal?.addEventListener('abort', () => resolve());
      });
    },
    async passUntil(until) {
      time = Math.max(time, until);
      const due = sleepers.filter((sleeper) => sleeper.until <= time);
      sleepers = sleepers.filter((sleeper) => sleeper.until > time);
      for (const { wake } of due) wake();
      if (due.length > 0) await new Promise((resolve) => setImmediate(resolve));
    },
  };
}
