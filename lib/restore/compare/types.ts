import type { FreshLine } from '../../snapshot/sent-value.js';
import type { TargetRecord } from '../model.js';

export type Live = 'equal' | 'different' | 'absent';

/** The first difference, in this order. */
export type Difference = 'type' | 'expiry' | 'field-expiry' | 'value';

export interface Comparison {
  /** Its `rest` has been read. */
  readonly record: TargetRecord;
  /** For an expired record `absent`, or `different` when the key exists. */
  readonly live: Live;
  /** Null unless `live` is `different`, and for an expired record, which is not compared further. */
  readonly difference: Difference | null;
  /** Whether everything in the record has expired by now: its key may exist or not. */
  readonly over: boolean;
  /** Whether the key has a type, or an element, that no snapshot can hold. */
  readonly unsavable: boolean;
  /** Whether the key equals the record as it was before in-flight work was failed. */
  readonly inFlight: boolean;
  /** The key as a snapshot would hold it. Null if absent, larger than one reply, or still changing. */
  readonly found: FreshLine | null;
}

export interface CompareOptions {
  /** Batches of records read from the database concurrently. */
  readonly inFlight: number;
  /** Whether the expiry of single hash fields is compared. */
  readonly fieldExpiry: boolean;
  readonly signal: AbortSignal;
  /** Milliseconds since the epoch: data that have expired by then may be absent. */
  readonly now: () => number;
}
