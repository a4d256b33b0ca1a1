/** What the HTTP API answers, as far as the page reads it. The words are those of docs/api.md. */

export type RunKind = 'snapshot' | 'verify' | 'restore' | 'reindex' | 'drill';
export type RunState = 'running' | 'waiting' | 'succeeded' | 'incomplete' | 'failed';

export interface Failure {
  readonly code: string;
  readonly message: string;
  readonly hint: string;
}

export interface Progress {
  readonly done: number;
  readonly total: number | null;
  readonly unit: string;
  readonly bytes: number;
}

/** A run as the status lists it. */
export interface RunSummary {
  readonly runId: string;
  readonly kind: RunKind;
  readonly title?: string;
  readonly state: RunState;
  readonly phase: string;
  readonly progress: Progress;
  readonly error: Failure | null;
  readonly createdAt: string;
  readonly updatedAt: string;
  readonly finishedAt: string | null;
}

/** `GET /api/runs/{id}`. What `result` holds depends on the kind, and is null until the run is over. */
export interface RunView extends RunSummary {
  readonly legs: number;
  readonly input: Readonly<Record<string, unknown>> | null;
  readonly result: Readonly<Record<string, unknown>> | null;
  /** Says that they are encrypted with a key that is not set there. */
  readonly details?: string;
}

export interface RecoveryPoint {
  readonly objectiveHours: number;
  readonly ageHours: number | null;
  readonly met: boolean;
  readonly newestVerified: { readonly id: string; readonly keys: number } | null;
}

export interface RecoveryTime {
  readonly objectiveHours: number;
  /** Null as long as no drill has passed. */
  readonly met: boolean | null;
  readonly projectedMilliseconds: number | null;
  readonly lastPassed: {
    readonly id: string;
    readonly snapshot: string | null;
    readonly keys: number;
    readonly milliseconds: number | null;
    readonly finishedAt: string | null;
  } | null;
  readonly lastDrill: Pick<Drill, 'id' | 'outcome' | 'reason' | 'finishedAt'> | null;
}

export interface Drill {
  readonly id: string;
  readonly outcome: 'started' | 'passed' | 'failed' | 'inconclusive';
  readonly reason: string | null;
  readonly snapshot: string | null;
  readonly keys: number;
  readonly startedAt: string;
  readonly finishedAt: string | null;
  readonly milliseconds: number | null;
}

export interface Alert {
  readonly code: string;
  readonly subject: string | null;
  readonly message: string;
  readonly hint: string;
  readonly since: string;
  readonly lastSentAt: string | null;
}

export interface Check {
  readonly name: string;
  readonly status: 'ok' | 'warn' | 'fail' | 'skipped';
  readonly detail: string;
  readonly hint: string | null;
}

/** Whose figures an answer holds. */
export interface Deployment {
  readonly label: string | null;
  readonly database: string | null;
  readonly store: string | null;
  readonly version: string;
}

/** `GET /api/status` with the admin token. */
export interface Status {
  readonly deployment?: Deployment;
  /** Restores that are not known to have ended well. */
  readonly unfinished?: readonly { readonly run: string; readonly kind: string; readonly underWay: boolean }[];
  readonly state: 'ok' | 'degraded';
  readonly at: string;
  readonly recoveryPoint: RecoveryPoint;
  readonly recoveryTime: RecoveryTime;
  readonly storage: {
    readonly snapshots: number;
    readonly complete: number;
    readonly incomplete: number;
    readonly damaged: number;
    readonly storedBytes: number;
  };
  readonly runs: readonly RunSummary[];
  readonly drills: readonly Drill[];
  readonly alerts: readonly Alert[];
  readonly credentials: { readonly checkedAt: string | null; readonly checks: readonly Check[] };
  readonly guard: { readonly lastRunAt: string | null; readonly outcome: string | null };
}

/** What only the manifest tells is null where that cannot be read. */
export interface Snapshot {
  readonly id: string;
  readonly state: 'complete' | 'incomplete' | 'unreadable';
  readonly purpose: 'backup' | 'safety' | null;
  /** What it is worth: only the newest `trusted` one is `latest`. */
  readonly trust?: string;
  readonly reasons?: readonly string[];
  readonly source?: string | null;
  readonly label?: string | null;
  /** Whether it is of the database that is protected; null where that is not known. */
  readonly own?: boolean | null;
  readonly verification: {
    readonly state: 'verified' | 'damaged';
    readonly at: string;
    readonly depth: string;
  } | null;
  readonly keys: number | null;
  readonly parts: number | null;
  readonly plainBytes: number | null;
  readonly storedBytes: number | null;
  readonly failed: number | null;
  /** Of types that no snapshot can hold. */
  readonly unsupported?: number | null;
  /** Counted by the database, and named by no walk over the names. */
  readonly unexplained?: number | null;
  readonly encrypted: boolean | null;
  readonly createdAt: string;
  readonly readBackAt: string | null;
}

/** `GET /api/snapshots`, newest first. */
export interface SnapshotList {
  readonly snapshots: readonly Snapshot[];
  readonly more: boolean;
}

export interface Project {
  readonly project: string;
  /** Keys in the newest verified snapshot; null when it is not in there. */
  readonly keys: number | null;
  readonly items: number | null;
  readonly vectors: number | null;
  readonly pending: number | null;
}

/** `GET /api/status?view=projects`. */
export interface ProjectList {
  readonly snapshot: string | null;
  readonly projects: readonly Project[];
  /** Which services answered this very call. */
  readonly store: 'ok' | 'unavailable';
  readonly redis: 'ok' | 'unavailable';
  readonly vectors: 'ok' | 'not-configured' | 'unavailable';
}
export type Services = Pick<ProjectList, 'store' | 'redis' | 'vectors'>;

export type Scope = { readonly all: true } | { readonly project: string };

export const ACTIONS = ['write', 'overwrite', 'unite', 'fail', 'remove', 'same', 'keep', 'blocked', 'expired'] as const;
/** `fail` and `blocked` are absent in older runs. */
export type Tally = Readonly<Record<Exclude<Action, Rare>, number>> & Readonly<Partial<Record<Rare, number>>>;
type Action = (typeof ACTIONS)[number];
type Rare = 'fail' | 'blocked';

/** What a restore would do, by family of keys. */
export interface Plan {
  readonly total: Tally;
  readonly byFamily: Readonly<Record<string, Tally>>;
  readonly examples: readonly { readonly action: keyof Tally; readonly key: unknown }[];
  readonly usersJoined: number;
  readonly usersLeft?: number;
  readonly lists?: { readonly added: number; readonly wrongType: number; readonly moved: number };
}

export interface RestoreOrder {
  readonly snapshot: string;
  readonly scope: Scope;
  readonly mode: 'replace' | 'merge' | 'missing';
  readonly dryRun: boolean;
  /** The id that was typed; a dry run needs none. */
  readonly confirm: string | null;
  /** Says that a snapshot of another database is meant. */
  readonly fromSource?: boolean;
}

export interface ReindexOrder {
  readonly scope: Scope;
  readonly mode: 'in-place' | 'missing';
}
