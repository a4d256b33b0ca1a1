/**
 * Turns texts into vectors. One call takes 1 to 100 texts and gives exactly one vector for each, in order, as the model
 * gave it: neither normalised nor checked for its length. Each text counts toward the rate limit.
 *
 * Failures are AppErrors: `embedder-denied` (key or permission), `embedder-limit` (rate limit: transient, with
 * `retryAfterMs` when the service named a time), `embedder-quota` (the day's quota is used up: not transient, with
 * `retryAfterMs` when known), `embedder-refused` (the service will never take one of these texts; the call as a whole
 * failed), `embedder-unavailable` (transient: unreachable, timed out, 5xx, an answer with another number of vectors).
 */
export interface Embedder {
  readonly model: string;
  /** Dimensions asked for. */
  readonly dimensions: number;
  embed(texts: readonly string[]): Promise<Float32Array[]>;
}
