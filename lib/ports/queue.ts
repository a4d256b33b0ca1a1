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
  /** Limits how many deliveries with the same key run at a time, and begin in a period; null for no limit. */
  readonly flow: QueueFlow | null;
}

/** What arrived at the task endpoint: the raw body and the signature header, unparsed. */
export interface Delivery {
  readonly body: string;
  readonly signature: string | null;
  /** The address that it came for, which the signature covers; default our task endpoint. */
  readonly url?: string;
}

/**
 * How the configured signing keys compare with those that the service has: `same`; `stale`, when one of them is still
 * the one it signs with, but the next rotation of keys will go past us; `different`, when no delivery can be verified;
 * `none`, where nothing is signed.
 */
export interface QueueHealth {
  readonly signingKeys: 'same' | 'stale' | 'different' | 'none';
}

/**
 * A queue that delivers by HTTP POST, at least once, in any order, and again with backoff when the answer is not 2xx.
 * Failures are AppErrors: `queue-denied` (token), `queue-unavailable` (transient).
 */
export interface Queue {
  /** Hands over all messages. When it throws, some may have been accepted: publish all of them again. */
  publish(messages: readonly QueueMessage[]): Promise<void>;
  /** Whether the queue itself signed this very body for that address of ours, recently. */
  verify(delivery: Delivery): Promise<boolean>;
  /** Asks the service whether it knows us, without publishing anything. */
  health(): Promise<QueueHealth>;
}
