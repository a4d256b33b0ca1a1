/** An authorised, well-formed call that is about to be served. */
export interface GeminiCall {
  /** Counts from 0. */
  readonly index: number;
  readonly texts: readonly string[];
}

/**
 * Faults of a whole call. Without embedding: `rate-limit` (429 with RetryInfo of 17 s), `rate-limit-bare` (429 without
 * details), `daily-quota` (429 with a quota per day and, as from Google, a RetryInfo), `denied` (403), a status of 5xx, `hang`
 * (no answer), `reset` (the connection is cut). After embedding: `lose-reply` (cut instead of the answer), `half-reply` (cut
 * within the answer), `one-short` (one vector is missing), `not-json`.
 */
export type CallFault =
  | 'rate-limit'
  | 'rate-limit-bare'
  | 'daily-quota'
  | 'denied'
  | 'hang'
  | 'reset'
  | 'lose-reply'
  | 'half-reply'
  | 'one-short'
  | 'not-json'
  | 500
  | 503;

/** Faults of one vector: a component is not a number, all are 0, or one is missing. */
export type VectorFault = 'nan' | 'zero' | 'short';

export interface GeminiFaults {
  readonly call: (call: GeminiCall) => CallFault | null;
  readonly vector: (text: string) => VectorFault | null;
  /** Whether this text is always refused; a call with the text fails as a whole with 400. */
  readonly refuse: (text: string) => boolean;
  /** Whether the service always fails on this text; a call with the text fails as a whole with 500. */
  readonly fail: (text: string) => boolean;
}

export const NO_FAULTS: GeminiFaults = { call: () => null, vector: () => null, refuse: () => false, fail: () => false };

/** Applies a fault to a vector, ready for JSON. */
export function applyVectorFault(vector: readonly number[], fault: VectorFault): readonly (number | string)[] {
  switch (fault) {
    case 'nan':
      return ['NaN', ...vector.slice(1)];
    case 'zero':
      return vector.map(() => 0);
    case 'short':
      return vector.slice(1);
  }
}
