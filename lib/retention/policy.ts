import type { CatalogEntry } from '../snapshot/catalog.js';
import type { SnapshotState, TrustContext } from '../snapshot/trust.js';

/** How many snapshots are kept, rule by rule. One is kept when any rule keeps it. Each number is 0 or more. */
export interface Policy {
  /** The newest, this many. */
  readonly keepLast: number;
  /** All within this many hours before the newest. */
  readonly keepWithinHours: number;
  /** The newest of each of the last this many days that have any; days, ISO weeks and months are UTC's. */
  readonly keepDaily: number;
  readonly keepWeekly: number;
  readonly keepMonthly: number;
  /** Days for what takes no slot: what a restore saved first, and what is doubtful, incomplete or was found damaged. */
  readonly asideDays: number;
}

export interface RetentionSettings extends Policy {
  /** Days after its end for which everything under runs/ of a run is kept. */
  readonly runsDays: number;
}

/** A snapshot as retention sees it. */
export interface RetentionEntry extends CatalogEntry {
  /**
   * Whether it is certainly one of ours: signed with our key or, where none is set, well sealed and known to its
   * successor. Others may be forged, so that they must not take the place of these.
   */
  readonly vouched: boolean;
  /** What it is worth: the rules hold for those that are `trusted`. */
  readonly state: SnapshotState;
  /**
   * Whether it is of the database that is protected here, or was saved by a restore of this deployment. Those of other
   * databases are not for these rules. Where no database is configured, all are.
   */
  readonly ours: boolean;
}

/** What is going on while retention decides. */
export interface Situation {
  /** Milliseconds since the epoch. Decides what is dated in the future, and nothing else. */
  readonly now: number;
  /** Snapshots that a run works with that is not over. */
  readonly inUse: ReadonlySet<string>;
  /** Snapshots that an operator pinned. Default: none. */
  readonly pinned?: { has(id: string): boolean };
  /** The snapshot that `latest` is: by the order of the runs, whatever the dates say. Null or absent: there is none, or it is not known. */
  readonly latest?: string | null;
  /** Whether none of the last three snapshot runs succeeded. */
  readonly lastRunsFailed: boolean;
  /** Whether the store holds snapshots of several databases and none is configured here. */
  readonly ambiguous?: boolean;
}

/** Why a snapshot is kept, or goes (`no-rule`, `aside-over`, `forgotten`: an operator said so). */
export type Reason =
  | 'last'
  | 'within'
  | 'daily'
  | 'weekly'
  | 'monthly'
  | 'oldest'
  | 'newest-verified'
  | 'in-use'
  | 'pinned'
  | 'future'
  | 'newer-format'
  | 'not-checked'
  | 'aside'
  | 'doubtful'
  | 'untrusted'
  | 'other-source'
  | 'held'
  | 'no-rule'
  | 'aside-over'
  | 'forgotten';

export interface Decision {
  readonly id: string;
  readonly keep: boolean;
  readonly reasons: readonly Reason[];
}

export interface RetentionPlan {
  /** Why nothing at all may be removed now; null when something may. */
  readonly held: string | null;
  /**
   * What ages are counted to: the time of the newest verified snapshot that is not dated in the future, in milliseconds
   * since the epoch. Null when there is none; then `held` says so.
   */
  readonly reference: number | null;
  /** One for each entry, newest first. */
  readonly decisions: readonly Decision[];
}

/** Whether a snapshot is of a database that is protected here. What cannot be read is nobody else's, as far as it is known. */
export function isOurs(
  { manifest }: Pick<CatalogEntry, 'manifest'>,
  { own, sources }: Pick<TrustContext, 'own' | 'sources'>,
): boolean {
  return sources === null || manifest === null || sources.has(manifest.source) || manifest.owner === own;
}
