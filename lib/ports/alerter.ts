/** What is told of one alert: that it is open, that it still is, or that it is over. Nothing in it is secret. */
export interface AlertNotice {
  readonly event: 'opened' | 'reminder' | 'recovered';
  readonly code: string;
  /** What it is about: an id, or the name of a check or step. */
  readonly subject: string;
  readonly message: string;
  readonly hint: string;
  /** When it opened (ISO 8601). */
  readonly since: string;
}

/**
 * Where alerts go. One call is one message, with all that there is to tell. It throws AppError `alert-unavailable` when
 * it may not have arrived: then it is to be sent again.
 */
export interface Alerter {
  /** Whether there is anywhere to send to. */
  readonly configured: boolean;
  send(text: string, notices: readonly AlertNotice[]): Promise<void>;
}
