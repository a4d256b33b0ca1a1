import type { Clock } from '../../lib/ports/clock.js';
import { CHECK_MS } from '../../lib/runs/attempt.js';

export const TIMES = { attemptTtlMs: 60_000, holdMs: 600_000 };

/** Advances only by sleeps and when a test advances it. */
export interface SleepyClock extends Clock {
  advance(ms: number): void;
  /** Every sleep of the work itself, in milliseconds. */
  readonly slept: number[];
}

/** A lease is renewed within a few milliseconds, on a busy machine seconds; one that another attempt has taken is not. */
const RENEWAL_TURNS = 10_000;

export function sleepyClock(): SleepyClock {
  let now = Date.parse('2026-11-22T02:00:00Z');
  const slept: number[] = [];
  const waiting = new Set<{ readonly due: number; readonly signal: AbortSignal; readonly wake: () => void }>();

  /** The heartbeat of a lease: wakes when the work has slept so long, or with a signal that ends it. */
  const heartbeat = (ms: number, signal: AbortSignal): Promise<void> =>
    new Promise((resolve) => {
      const one = { due: now + ms, signal, wake: resolve };
      waiting.add(one);
      signal.addEventListener('abort', () => {
        waiting.delete(one);
        resolve();
      });
    });

  /** Lets the leases whose time has come be renewed before the work sees the new time. */
  async function beat(): Promise<void> {
    const due = [...waiting].filter((one) => one.due <= now);
    for (const one of due) {
      waiting.delete(one);
      one.wake();
    }
    // Leases of ended attempts are not renewed.
    const isDue = ({ signal }: (typeof due)[number]): boolean =>
      !signal.aborted && ![...waiting].some((other) => other.signal === signal);
    for (let turn = 0; turn < RENEWAL_TURNS && due.some(isDue); turn++) {
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
  }

  return {
    slept,
    now: () => now,
    async sleep(ms, signal) {
      if (signal?.aborted === true) return;
      if (signal !== undefined && ms === CHECK_MS) return heartbeat(ms, signal);
      slept.push(ms);
      const due = now + ms;
      // Sleeps that begin at the same time end at the same time.
      await new Promise((resolve) => setTimeout(resolve, 1));
      if (now < due) {
        now = due;
        await beat();
      }
      await new Promise((resolve) => setTimeout(resolve, 1));
    },
    advance: (ms) => void (now += ms),
  };
}
