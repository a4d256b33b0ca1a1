import type { Clock } from '../ports/clock.js';

/** Time that no clock setting moves, in milliseconds from some moment on; sleep of the machine counts. */
export function elapsed(clock: Clock): number {
  return clock.uptime?.() ?? clock.now();
}

interface Lifeline {
  /**
   * Aborted when `lost` is, or as soon as anybody looks at it after nothing was heard of the lease for too long: a
   * process that was suspended does not write on when it wakes, even before its timers run.
   */
  readonly signal: AbortSignal;
  /** Says that the lease was ours at `elapsed` time `since`. */
  confirmed(since: number): void;
}

/** `limitMs`: how long after the last confirmation the lease may be somebody else's. `reason` is what it is aborted with. */
export function lifeline(
  clock: Clock,
  limitMs: number,
  sources: readonly AbortSignal[],
  reason: () => Error,
): Lifeline {
  const own = new AbortController();
  const signal = AbortSignal.any([...sources, own.signal]);
  let last = elapsed(clock);
  const check = (): void => {
    if (!own.signal.aborted && elapsed(clock) - last >= limitMs) own.abort(reason());
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
