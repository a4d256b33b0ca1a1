/** A signed POST that the queue sends at fixed times. */
export interface Schedule {
  /** `[A-Za-z0-9_.-]+`; replaces another schedule with the same id. */
  readonly id: string;
  /** The full address to call. */
  readonly destination: string;
  /** Five fields, in UTC. */
  readonly cron: string;
}

/**
 * The schedules of a queue service. Failures are AppErrors: `queue-denied` (token), `queue-unavailable` (transient, or a
 * limit of the plan).
 */
export interface Schedules {
  /** Null if there is no schedule with this id. `paused`: an operator has paused it. */
  find(id: string): Promise<(Schedule & { readonly paused: boolean }) | null>;
  /** Creates the schedule, or replaces the one with its id. */
  put(schedule: Schedule): Promise<void>;
}
