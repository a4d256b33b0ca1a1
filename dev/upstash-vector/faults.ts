import type { Faults } from '../faults.js';

/** A request to the stand-in, as predicates of faults see it. */
export interface VectorRequest {
  /** `upsert`, `fetch`, `range`, `query`, `delete`, `reset`, `info`, ... */
  readonly endpoint: string;
  /** Decoded; '' for the default namespace. */
  readonly namespace: string;
  /** The parsed JSON; undefined when there was none. */
  readonly body: unknown;
}

export interface VectorFaults extends Faults<VectorRequest> {
  /** Whether every request to this namespace is refused with 400. */
  readonly refuseNamespace: (namespace: string) => boolean;
}

export const NO_FAULTS: VectorFaults = { reject: null, hang: 0, loseReply: 0, refuseNamespace: () => false };
