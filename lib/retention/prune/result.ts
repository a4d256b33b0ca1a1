import type { Decision } from '../policy.js';

/** Objects that a prune removes besides snapshots. */
export type ObsoleteKind = 'leftovers' | 'orphans' | 'runs' | 'webhooks' | 'probes' | 'drills';

export interface PruneResult {
  readonly dryRun: boolean;
  /** Why nothing was removed; null when removals were allowed. */
  readonly held: string | null;
  /** Newest first. */
  readonly decisions: readonly Decision[];
  readonly snapshots: {
    readonly kept: number;
    readonly removed: number;
    /** Snapshots that the store refused to remove: they are whole and listed. */
    readonly keptByStore: number;
    /** Snapshots left because time ran out or a run has begun to use them. */
    readonly left: number;
  };
  /** Removed objects by kind; `leftovers` belong to a snapshot that an earlier prune began to remove. */
  readonly obsolete: Readonly<Record<ObsoleteKind, number>>;
  /** Total of removed objects and bytes; in a dry run, of those that would be removed. */
  readonly objects: number;
  readonly bytes: number;
  /** Objects that the store refused to remove: their number, and the first 100 names. */
  readonly keptByStore: { readonly count: number; readonly names: readonly string[] };
  /** Snapshots whose manifest is gone without a tombstone: their parts are kept, so that they can be repaired. */
  readonly missing: readonly string[];
  /** Whether everything was checked; false if time ran out. */
  readonly finished: boolean;
}
