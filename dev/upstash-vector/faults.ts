import type { Faults } from '../faults.js';

/** A request to the stand-in, as rules of faults see it. */
export interface VectorRequest {
  /** `upsert`, `fetch`, `range`, `query`, `delete`, `reset`, `info`, ... */
  readonly endpoint: string;
  /** Decoded; '' for the default one. */
  readonly namespace: string;
  /** The JSON as it came; undefined when there was none. */
  readonly body: unknown;
}

export interface VectorFaults extends Faults<VectorRequest> {
  /** Whether nothing that is asked of this namespace is taken: 400. */
  readonly refuseNamespace: (namespace: string) => boolean;
}

export const NO_FAULTS: VectorFaults = { reject: null, hang: 0, loseReply: 0, refuseNamespace: () => false };
