/** A request to the stand-in, as rules of faults see it. */
export interface VectorRequest {
  /** `upsert`, `fetch`, `range`, `query`, `delete`, `reset`, `info`, ... */
  readonly endpoint: string;
  /** Decoded; '' for the default one. */
  readonly namespace: string;
  /** The JSON as it came; undefined when there was none. */
  readonly body: unknown;
}

/** Which requests a fault meets: this many of the next ones, or those that the predicate picks. */
export type Hits = number | ((request: VectorRequest) => boolean);

export interface VectorRejection {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** Default: Upstash's JSON for an error. */
  readonly body?: string;
  readonly hits: Hits;
}

/** What can be told to go wrong, with authorised requests. A predicate may count for itself. */
export interface VectorFaults {
  /** Answer with this instead of doing anything. */
  readonly reject: VectorRejection | null;
  /** Neither do nor answer anything until the client gives up. */
  readonly hang: Hits;
  /** Do it, then cut the connection instead of answering. */
  readonly loseReply: Hits;
  /** Whether nothing that is asked of this namespace is taken: 400. */
  readonly refuseNamespace: (namespace: string) => boolean;
}

export type Fault = VectorRejection | 'hang' | 'lose-reply' | null;

const WHOLE: ReadonlySet<string> = new Set(['info', 'list-namespaces']);

/** The faults in force; how many more requests they meet is counted here. */
export class FaultBox {
  private faults: VectorFaults;

  constructor(faults: Partial<VectorFaults>) {
    this.faults = { reject: null, hang: 0, loseReply: 0, refuseNamespace: () => false, ...faults };
  }

  set(changed: Partial<VectorFaults>): void {
    this.faults = { ...this.faults, ...changed };
  }

  /** The fault that is to meet this request; a rejection goes before the others. */
  take(request: VectorRequest): Fault {
    const { reject, hang, loseReply } = this.faults;
    if (reject !== null && meets(reject.hits, request)) {
      this.set({ reject: { ...reject, hits: oneLess(reject.hits) } });
      return reject;
    }
    // What concerns the index as a whole names no namespace.
    if (!WHOLE.has(request.endpoint) && this.faults.refuseNamespace(request.namespace)) {
      return { status: 400, hits: 0 };
    }
    if (meets(hang, request)) {
      this.set({ hang: oneLess(hang) });
      return 'hang';
    }
    if (meets(loseReply, request)) {
      this.set({ loseReply: oneLess(loseReply) });
      return 'lose-reply';
    }
    return null;
  }
}

function meets(hits: Hits, request: VectorRequest): boolean {
  return typeof hits === 'number' ? hits > 0 : hits(request);
}

function oneLess(hits: Hits): Hits {
  return typeof hits === 'number' ? hits - 1 : hits;
}
