/** Which requests a fault meets: this many of the next ones, or those that the predicate picks. */
export type Hits<R> = number | ((request: R) => boolean);

export interface Rejection<R> {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** Default: JSON as the vendor answers an error. */
  readonly body?: string;
  readonly hits: Hits<R>;
}

/** What can be told to go wrong with authorised requests of any stand-in. A predicate may count for itself. */
export interface Faults<R> {
  /** Answer with this instead of doing anything. */
  readonly reject: Rejection<R> | null;
  /** Neither do nor answer anything until the client gives up. */
  readonly hang: Hits<R>;
  /** Do it, then cut the connection instead of answering. */
  readonly loseReply: Hits<R>;
}

/** The faults in force; how many more requests they meet is counted here. */
export class FaultBox<R, F extends Faults<R>> {
  constructor(public faults: F) {}

  set(changed: Partial<F>): void {
    this.faults = { ...this.faults, ...changed };
  }

  /** The fault that is to meet this request; a rejection goes before the others. */
  take(request: R): Rejection<R> | 'hang' | 'lose-reply' | null {
    const { reject } = this.faults;
    if (reject !== null && meets(reject.hits, request)) {
      this.faults = { ...this.faults, reject: { ...reject, hits: oneLess(reject.hits) } };
      return reject;
    }
    for (const name of ['hang', 'loseReply'] as const) {
      if (!meets(this.faults[name], request)) continue;
      this.faults = { ...this.faults, [name]: oneLess(this.faults[name]) };
      return name === 'hang' ? 'hang' : 'lose-reply';
    }
    return null;
  }
}

function meets<R>(hits: Hits<R>, request: R): boolean {
  return typeof hits === 'number' ? hits > 0 : hits(request);
}

function oneLess<R>(hits: Hits<R>): Hits<R> {
  return typeof hits === 'number' ? hits - 1 : hits;
}
