import type { CatalogEntry } from '../snapshot/catalog.js';
import type { SnapshotState, TrustContext } from '../snapshot/trust.js';

/** How many snapshots each rule keeps. A snapshot is kept if any rule keeps it. Each number is 0 or more. */
export interface Policy {
  /** The newest N. */
  readonly keepLast: number;
  /** All within this many hours before the newest. */
  readonly keepWithinHours: number;
  /** The newest of each of the last N days with a snapshot; days, ISO weeks and months are in UTC. */
  readonly keepDaily: number;
  readonly keepWeekly: number;
  readonly keepMonthly: number;
  /** Days to keep snapshots that take no slot: safety snapshots, and doubtful, incomplete or damaged ones. */
  readonly asideDays: number;
}

export interface RetentionSettings extends Policy {
  /** Days to keep everything under runs/ of a run after its end. */
  readonly runsDays: number;
}

export interface RetentionEntry extends CatalogEntry {
  /**
   * Whether it is certainly genuine: signed with our key or, without a key, linked by its successor with a matching hash.
   * Other snapshots may be forged and must not take the slots of genuine ones.
   */
  readonly isAuthentic: boolean;
  /** The rules apply to `trusted` snapshots. */
  readonly state: SnapshotState;
  /**
   * Whether it is a snapshot of the database protected here, or a safety snapshot of this deployment. The rules do not apply
   * to other databases; without a configured database they apply to all.
   */
  readonly ours: boolean;
}

/** What a decision depends on, apart from the snapshots and the policy. */
export interface Situation {
  /** Milliseconds since the epoch. Used only to find snapshots dated in the future. */
  readonly now: number;
  /** Snapshots that unfinished runs use, or that an unfinished restore needs. */
  readonly inUse: ReadonlySet<string>;
  /** Snapshots that an operator pinned. Default: none. */
  readonly pinned?: { has(id: string): boolean };
  /** The snapshot that `latest` means, by the order of the runs, not by dates. Null or absent: none, or unknown. */
  readonly latest?: string | null;
  /** Whether none of the last three snapshot runs succeeded. */
  readonly lastRunsFailed: boolean;
  /** Whether the store holds snapshots of several databases and no database is configured here. */
  readonly ambiguous?: boolean;
}

/** Why a snapshot is kept or removed (`no-rule`, `aside-over`, and `forgotten`: an operator removed it). */
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
  /** Why nothing may be removed now, except surplus incomplete snapshots while runs fail; null when removals are allowed. */
  readonly held: string | null;
  /**
   * Ages are counted to this time: that of the newest verified snapshot not dated in the future, in milliseconds since the
   * epoch. Null when there is none; `held` is then set.
   */
  readonly reference: number | null;
  /** Newest first. */
  readonly decisions: readonly Decision[];
}

/** Whether a snapshot belongs to a database protected here. An unreadable one counts as ours. */
export function isOurs(
  { manifest }: Pick<CatalogEntry, 'manifest'>,
  { own, sources }: Pick<TrustContext, 'own' | 'sources'>,
): boolean {
  return sources === null || manifest === null || sources.has(manifest.source) || manifest.owner === own;
}
