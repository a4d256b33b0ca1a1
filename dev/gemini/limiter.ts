/** Takes `count` texts from the minute's allowance; when it is used up, returns the wait in the vendor's milliseconds. */
export type Limiter = (count: number) => { readonly retryDelayMs: number } | null;

/**
 * Fixed windows of one minute, `speed` times shorter in real time. A call that exceeds the rest of a window is refused as a
 * whole and takes nothing.
 */
export function minuteLimiter(textsPerMinute: number, speed: number, now: () => number = Date.now): Limiter {
  const windowMs = 60_000 / speed;
  let window = -1;
  let used = 0;
  return (count) => {
    const current = Math.floor(now() / windowMs);
    if (current !== window) [window, used] = [current, 0];
    if (used + count > textsPerMinute) return { retryDelayMs: Math.ceil(((current + 1) * windowMs - now()) * speed) };
    used += count;
    return null;
  };
}

/** A day's quota of texts. */
export interface DayQuota {
  /** Takes `count` texts from the quota; returns false and takes nothing when fewer are left. */
  take(count: number): boolean;
  renew(): void;
}

export function dayQuota(textsPerDay: number): DayQuota {
  let used = 0;
  return {
    take(count) {
      if (used + count > textsPerDay) return false;
      used += count;
      return true;
    },
    renew: () => void (used = 0),
  };
}
