/** Time as the use cases see it, so that tests can turn it. */
export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number;
  /**
   * Milliseconds from some moment on that no setting of the clock moves, and that go on while the machine sleeps; where
   * it is left out, `now` stands for it.
   */
  uptime?(): number;
  /** Resolves after `ms` milliseconds, or at once when `signal` is aborted (without throwing). */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}
