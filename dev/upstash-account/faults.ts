/** A request to the stand-in, as rules of faults see it. */
export interface AccountRequest {
  readonly method: string;
  /** `list-backup`, `create-backup`, `database`, ... */
  readonly endpoint: string;
}

/** Which requests a fault meets: this many of the next ones, or those that the predicate picks. */
export type Hits = number | ((request: AccountRequest) => boolean);

export interface AccountRejection {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** Default: a JSON text that says nothing. */
  readonly body?: string;
  readonly hits: Hits;
}

/** What can be told to go wrong, with authorised requests. */
export interface AccountFaults {
  /** Answer with this instead of doing anything. */
  readonly reject: AccountRejection | null;
  /** Neither do nor answer anything until the client gives up. */
  readonly hang: Hits;
  /** Do it, then cut the connection instead of answering. */
  readonly loseReply: Hits;
  /** Backups and restores that are begun do not go on before this resolves; null: at once. */
  readonly heldBack: Promise<unknown> | null;
  /** Backups that are begun end as failed. */
  readonly backupsFail: boolean;
  /** A restore deletes what is there and then fills in nothing. */
  readonly restoresLoseAll: boolean;
}

export const NO_FAULTS: AccountFaults = {
  reject: null,
  hang: 0,
  loseReply: 0,
  heldBack: null,
  backupsFail: false,
  restoresLoseAll: false,
};

/** Whether a fault meets the request, and what is left of it for those that follow. */
export function meets(hits: Hits, request: AccountRequest): { readonly met: boolean; readonly left: Hits } {
  if (typeof hits !== 'number') return { met: hits(request), left: hits };
  return hits > 0 ? { met: true, left: hits - 1 } : { met: false, left: 0 };
}
