/** What a service allows; null: not known. Infinity: no limit. */
export interface EmbedderLimits {
  readonly textsPerMinute: number | null;
  readonly tokensPerMinute: number | null;
  readonly textsPerDay: number | null;
}

/**
 * Turns texts into vectors. One call takes 1 to `maxBatch` texts and gives exactly one vector for each, in order, as the model
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
  /** Most texts in one call. */
  readonly maxBatch: number;
  /** Tokens of one text that the model reads; the service passes over the rest without a word. */
  readonly maxTextTokens: number;
  /** US dollars for a million tokens; null: not known. */
  readonly usdPerMillionTokens: number | null;
  /** What calls share a quota: the same for the same key and model, and no secret. */
  readonly quotaKey: string;
  /** By the configuration: the service does not tell them. */
  readonly limits: EmbedderLimits;
  /** Asks for the model alone, which counts toward no limit of texts. */
  reach(): Promise<void>;
  embed(texts: readonly string[]): Promise<Float32Array[]>;
}
