import type { FreshLine } from '../../snapshot/sent-value.js';
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
  /** Whether all that the record holds has expired by now: its key may be there or not. */
  readonly over: boolean;
  /** Whether what is there is of a type, or has an element, that no snapshot can hold. */
  readonly unsavable: boolean;
  /** Whether what is there is the record as it was before work in flight was made failed. */
  readonly inFlight: boolean;
  /** What is there, as a snapshot would hold it. Null for nothing, and for what took more than one reply or kept changing. */
  readonly found: FreshLine | null;
}

export interface CompareOptions {
  /** Batches of records that are read from the database at a time. */
  readonly inFlight: number;
  /** Whether the expiry of single hash fields counts. */
  readonly fieldExpiry: boolean;
  readonly signal: AbortSignal;
  /** Milliseconds since the epoch: what has expired by then need not be there. */
  readonly now: () => number;
}
