/** A call that is about to be served: it was authorised and well-formed. */
export interface GeminiCall {
  /** Counts from 0. */
  readonly index: number;
  readonly texts: readonly string[];
}

/**
 * What goes wrong with a whole call. Not embedded: `rate-limit` (429 with RetryInfo of 17 s), `rate-limit-bare` (429
 * without details), `daily-quota` (429 with a quota per day, and a RetryInfo all the same, as Google sends it),
 * `denied` (403), a status of 5xx, `hang` (no answer at all), `reset` (the connection is cut). Embedded all the same:
 * `lose-reply` (cut instead of the answer), `half-reply` (cut within it), `one-short` (a vector less), `not-json`.
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

/** What is wrong with one vector of an answer: one component is not a number, all are 0, or there is one too few. */
export type VectorFault = 'nan' | 'zero' | 'short';

export interface GeminiFaults {
  readonly call: (call: GeminiCall) => CallFault | null;
  readonly vector: (text: string) => VectorFault | null;
  /** Whether this text is refused for ever; the call that holds it fails as a whole with 400. */
  readonly refuse: (text: string) => boolean;
  /** Whether the service fails over this text for ever; the call that holds it fails as a whole with 500. */
  readonly fail: (text: string) => boolean;
}

export const NO_FAULTS: GeminiFaults = { call: () => null, vector: () => null, refuse: () => false, fail: () => false };

/** The vector as the fault makes it, ready for JSON. */
export function spoil(vector: readonly number[], fault: VectorFault): readonly (number | string)[] {
  switch (fault) {
    case 'nan':
      return ['NaN', ...vector.slice(1)];
    case 'zero':
      return vector.map(() => 0);
    case 'short':
      return vector.slice(1);
  }
}
