/** The requests that a fault applies to: this many of the next ones, or those that the predicate selects. */
export type Hits<R> = number | ((request: R) => boolean);

export interface Rejection<R> {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** Default: JSON as the vendor answers an error. */
  readonly body?: string;
  readonly hits: Hits<R>;
}

/** Faults of authorised requests that every stand-in supports. A predicate may keep a count. */
export interface Faults<R> {
  /** Answer with this and do nothing. */
  readonly reject: Rejection<R> | null;
  /** Do nothing, and do not answer until the client gives up. */
  readonly hang: Hits<R>;
  /** Serve the request, then cut the connection instead of answering. */
  readonly loseReply: Hits<R>;
}

/** The active faults, and the number of requests that they still apply to. */
export class FaultBox<R, F extends Faults<R>> {
  constructor(public faults: F) {}

  set(changed: Partial<F>): void {
    this.faults = { ...this.faults, ...changed };
  }

  /** The fault for this request, which uses up one of its hits; a rejection comes before the others. */
  take(request: R): Rejection<R> | 'hang' | 'lose-reply' | null {
    const { reject } = this.faults;
    if (reject !== null && appliesTo(reject.hits, request)) {
      this.faults = { ...this.faults, reject: { ...reject, hits: decrement(reject.hits) } };
      return reject;
    }
    for (const name of ['hang', 'loseReply'] as const) {
      if (!appliesTo(this.faults[name], request)) continue;
      this.faults = { ...this.faults, [name]: decrement(this.faults[name]) };
      return name === 'hang' ? 'hang' : 'lose-reply';
    }
    return null;
  }
}

function appliesTo<R>(hits: Hits<R>, request: R): boolean {
  return typeof hits === 'number' ? hits > 0 : hits(request);
}

function decrement<R>(hits: Hits<R>): Hits<R> {
  return typeof hits === 'number' ? hits - 1 : hits;
}
