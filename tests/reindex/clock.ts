import type { Clock } from '../../lib/ports/clock.js';
import { CHECK_MS } from '../../lib/runs/leg.js';

export const TIMES = { legTtlMs: 60_000, holdMs: 600_000 };

/** Goes on when it is slept on, and only then or when a test moves it. */
export interface SleepyClock extends Clock {
  advance(ms: number): void;
  /** Every sleep, in milliseconds. */
  readonly slept: number[];
}

export function sleepyClock(): SleepyClock {
  let now = Date.parse('2026-11-22T02:00:00Z');
  const slept: number[] = [];
  return {
    slept,
    now: () => now,
    sleep(ms, signal) {
      // The leg's heartbeat comes with a signal that ends it; a wait of the work itself is over at once.
      if (signal !== undefined && ms === CHECK_MS) {
        return new Promise((resolve) => signal.addEventListener('abort', () => resolve()));
      }
      slept.push(ms);
      now += ms;
      return new Promise((resolve) => setTimeout(resolve, 1));
    },
    advance: (ms) => void (now += ms),
  };
}
