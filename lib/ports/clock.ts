/** The clock of the use cases, which tests can replace. */
export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number;
  /**
   * Milliseconds from an arbitrary start; unaffected by changes of the system clock, and includes sleep of the machine.
   * Default: `now`.
   */
  uptime?(): number;
  /** Resolves after `ms` milliseconds, or at once when `signal` is aborted (without throwing). */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}
