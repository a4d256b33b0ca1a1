/** A notice that an alert opened, is still open, or is over. Contains no secrets. */
export interface AlertNotice {
  readonly event: 'opened' | 'reminder' | 'recovered' | 'test';
  readonly code: string;
  /** The subject of the alert: an id, or the name of a check or step. */
  readonly subject: string;
  readonly message: string;
  readonly hint: string;
  /** When the alert opened (ISO 8601). */
  readonly since: string;
  /** Of `recovered`: why an operator ended the alert although its cause lasts. Left out: the cause is gone. */
  readonly acknowledged?: string;
  /** The runbook entry: a path in the repository with an anchor. */
  readonly runbook: string;
}

/**
 * The outcome of a message. `unknown`: it was sent, but no response came in time or the connection broke. It may have
 * arrived, so a copy is sent only after a long pause.
 */
export type Delivery = 'delivered' | 'unknown';

/**
 * Sends alerts. One call sends one message with all notices, in one request that may arrive. Throws AppError
 * `alert-unavailable` if the message has certainly not arrived and must be sent again.
 */
export interface Alerter {
  /** Whether an address is configured. */
  readonly configured: boolean;
  /** Identifies the address without revealing it; null if there is none. */
  readonly address: string | null;
  /** `key` is the same for a message and its copies: receivers that support `Idempotency-Key` drop the second. */
  send(text: string, notices: readonly AlertNotice[], key: string): Promise<Delivery>;
}

/** Tests whether an address accepts connections, without a request that its receiver would take for a message. */
export interface Reachable {
  /** Throws AppError `alert-unavailable`: no such host, no connection, a bad certificate, no response. */
  reach(): Promise<void>;
}

/** `start`: work began. `success`: it succeeded. `fail`: it failed. `log`: no sign of life, only a test of the address. */
export type HeartbeatSignal = 'start' | 'success' | 'fail' | 'log';

/**
 * An external monitor that raises an alarm when no signal arrives. Throws AppError `alert-unavailable`. If none is
 * configured, signals are dropped.
 */
export interface Heartbeat {
  readonly configured: boolean;
  ping(signal: HeartbeatSignal): Promise<void>;
}
