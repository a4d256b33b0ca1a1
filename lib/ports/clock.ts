/** Time as the use cases see it, so that tests can turn it. */
export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number;
  /** Resolves after `ms` milliseconds, or at once when `signal` is aborted (without throwing). */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}
