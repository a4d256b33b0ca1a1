/** Takes `count` texts of the minute's allowance, or says after how many milliseconds of the vendor's to come again. */
export type Limiter = (count: number) => { readonly retryDelayMs: number } | null;

/**
 * Fixed windows of one minute, `speed` times shorter in real time. A call that does not fit into what is left of one is
 * refused as a whole and takes nothing from it.
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
  /** Takes `count` texts of it; false, and takes nothing, when it has not as many left. */
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
