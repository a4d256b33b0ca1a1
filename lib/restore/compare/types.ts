import type { TargetRecord } from '../model.js';

export type Live = 'equal' | 'different' | 'absent';

/** What differs first, in this order. */
export type Difference = 'type' | 'expiry' | 'field-expiry' | 'value';

export interface Comparison {
  /** Its `rest` has been read. */
  readonly record: TargetRecord;
  /** For an expired record `absent` or `different`: something is there. */
  readonly live: Live;
  /** Null unless `live` is `different`, and for an expired record, which was not looked at any closer. */
  readonly difference: Difference | null;
}

export interface CompareOptions {
  /** Batches of records that are read from the database at a time. */
  readonly inFlight: number;
  /** Whether the expiry of single hash fields counts. */
  readonly fieldExpiry: boolean;
  readonly signal: AbortSignal;
}
