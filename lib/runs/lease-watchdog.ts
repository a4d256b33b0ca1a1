import type { Clock } from '../ports/clock.js';

/** Milliseconds from an arbitrary start; unaffected by changes of the system clock, and includes sleep of the machine. */
export function monotonicNow(clock: Clock): number {
  return clock.uptime?.() ?? clock.now();
}

interface LeaseWatchdog {
  /**
   * Aborted when a source is. Also checks the time since the last confirmation whenever it is read: a process that was
   * suspended must not write when it wakes, even before its timers run.
   */
  readonly signal: AbortSignal;
  /** Records that the lease was still held at the `monotonicNow` time `since`. */
  confirmed(since: number): void;
}

/** `limitMs`: how long after the last confirmation another holder may have the lease. `reason`: the reason of the abort. */
export function createLeaseWatchdog(
  clock: Clock,
  limitMs: number,
  sources: readonly AbortSignal[],
  reason: () => Error,
): LeaseWatchdog {
  const own = new AbortController();
  const signal = AbortSignal.any([...sources, own.signal]);
  let last = monotonicNow(clock);
  const check = (): void => {
    if (!own.signal.aborted && monotonicNow(clock) - last >= limitMs) own.abort(reason());
  };
  Object.defineProperties(signal, {
    aborted: {
      get: () => {
        check();
        return Reflect.get(AbortSignal.prototype, 'aborted', signal);
      },
    },
    throwIfAborted: {
      value: () => {
        check();
        AbortSignal.prototype.throwIfAborted.call(signal);
      },
    },
  });
  return { signal, confirmed: (since) => void (last = Math.max(last, since)) };
}
