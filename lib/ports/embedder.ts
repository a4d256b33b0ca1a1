/** The limits of a service; null: not known. Infinity: no limit. */
export interface EmbedderLimits {
  readonly textsPerMinute: number | null;
  readonly tokensPerMinute: number | null;
  readonly textsPerDay: number | null;
}

/**
 * Turns texts into vectors. One call takes 1 to `maxBatch` texts and returns exactly one vector for each, in order, as
 * returned by the model: neither normalised nor checked for its length. Each text counts toward the rate limit.
 *
 * Failures are AppErrors: `embedder-denied` (key, permission, or a quota of 0), `embedder-limit` (rate limit: transient, with
 * `retryAfterMs` when the service named a time), `embedder-quota` (the daily quota is used up: not transient, with
 * `retryAfterMs` when known), `embedder-refused` (the service will never take one of these texts; the call as a whole
 * failed), `embedder-unavailable` (transient: unreachable, timed out, 5xx, a response with another number of vectors).
 */
export interface Embedder {
  readonly model: string;
  /** Requested dimensions. */
  readonly dimensions: number;
  /** Maximum of texts per call. */
  readonly maxBatch: number;
  /** How many tokens of a text the model reads; the service silently ignores the rest. */
  readonly maxTextTokens: number;
  /** US dollars per million tokens; null: not known. */
  readonly usdPerMillionTokens: number | null;
  /** Identifies the quota: the same for the same key and model, and not secret. */
  readonly quotaKey: string;
  /** From the configuration, because the service does not report them. */
  readonly limits: EmbedderLimits;
  /** Requests only the description of the model, which does not count toward the limits of texts. */
  reach(): Promise<void>;
  embed(texts: readonly string[]): Promise<Float32Array[]>;
}
