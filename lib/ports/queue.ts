export interface QueueFlow {
  readonly key: string;
  readonly parallelism: number;
  readonly rate: { readonly count: number; readonly periodSeconds: number } | null;
}

/** A message for our own task endpoint. It carries references, never data. */
export interface QueueMessage {
  /** JSON text, at most 64 KB. */
  readonly body: string;
  /** Two messages with the same id within the queue's window (10 minutes) are delivered as one. `[A-Za-z0-9_.-]+`. */
  readonly deduplicationId: string;
  /** Not before this many seconds from now. 0 for at once. */
  readonly delaySeconds: number;
  /** Limits how many deliveries with the same key run at a time and start per period; null for no limit. */
  readonly flow: QueueFlow | null;
}

/** A delivery at the task endpoint: the raw body and the signature header, unparsed. */
export interface Delivery {
  readonly body: string;
  readonly signature: string | null;
  /** The address of the delivery, which the signature covers; default: our task endpoint. */
  readonly url?: string;
}

/**
 * How the configured signing keys compare with those of the service: `same`; `stale`: the service still signs with one of
 * them, but verification fails after its next key rotation; `different`: no delivery can be verified; `none`: deliveries
 * are not signed.
 */
export interface QueueHealth {
  readonly signingKeys: 'same' | 'stale' | 'different' | 'none';
}

/**
 * A queue that delivers by HTTP POST, at least once, in any order, and retries with backoff when the response is not 2xx.
 * Failures are AppErrors: `queue-denied` (token), `queue-unavailable` (transient).
 */
export interface Queue {
  /** Publishes all messages. If it throws, some may have been accepted: publish all of them again. */
  publish(messages: readonly QueueMessage[]): Promise<void>;
  /** Whether the queue signed exactly this body for this address, recently. */
  verify(delivery: Delivery): Promise<boolean>;
  /** Checks the token and the signing keys, without publishing anything. */
  health(): Promise<QueueHealth>;
}

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
