/** A standing order of the queue: a signed POST, again and again. */
export interface Schedule {
  /** `[A-Za-z0-9_.-]+`; another schedule of the same id gives way to it. */
  readonly id: string;
  /** Full address that is called. */
  readonly destination: string;
  /** Five fields, in UTC. */
  readonly cron: string;
}

/**
 * The schedules of a queue's service. Failures are AppErrors: `queue-denied` (token), `queue-unavailable` (transient, or a
 * limit of the plan).
 */
export interface Schedules {
  /** Null when there is none of that id. `paused`: somebody has halted it. */
  find(id: string): Promise<(Schedule & { readonly paused: boolean }) | null>;
  /** Makes it, over whatever has its id. */
  put(schedule: Schedule): Promise<void>;
}
