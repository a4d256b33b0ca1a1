/** What is told of one alert: that it is open, that it still is, or that it is over. Nothing in it is secret. */
export interface AlertNotice {
  readonly event: 'opened' | 'reminder' | 'recovered' | 'test';
  readonly code: string;
  /** What it is about: an id, or the name of a check or step. */
  readonly subject: string;
  readonly message: string;
  readonly hint: string;
  /** When it opened (ISO 8601). */
  readonly since: string;
  /** Of `recovered`: why an operator ended the alert although what it is about lasts. Left out: it is over. */
  readonly acknowledged?: string;
  /** Where the runbook says what to do: a path of the repository with an anchor. */
  readonly runbook: string;
}

/**
 * What became of a message. `unknown`: it was handed over, and no answer came in time or the connection broke; it may have
 * arrived, so that a copy is sent after a long pause alone.
 */
export type Delivery = 'delivered' | 'unknown';

/**
 * Where alerts go. One call is one message, with all that there is to tell, and one request of it that may arrive. Throws
 * AppError `alert-unavailable` when it has certainly not arrived: then it is to be sent again.
 */
export interface Alerter {
  /** Whether there is anywhere to send to. */
  readonly configured: boolean;
  /** Another one for another address, and nothing of it; null where there is none. */
  readonly address: string | null;
  /** `key` is the same for a message and its copies: receivers that know `Idempotency-Key` drop the second. */
  send(text: string, notices: readonly AlertNotice[], key: string): Promise<Delivery>;
}

/** Whether an address can be connected to, without a request that its receiver would take for a message. */
export interface Reachable {
  /** Throws AppError `alert-unavailable` when there is nobody: no such host, no connection, a bad certificate, no answer. */
  reach(): Promise<void>;
}
