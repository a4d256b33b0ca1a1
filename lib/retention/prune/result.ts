import type { Decision } from '../policy.js';

/** What a prune removes besides snapshots. */
export type ObsoleteKind = 'leftovers' | 'orphans' | 'runs' | 'webhooks' | 'probes' | 'drills';

export interface PruneResult {
  readonly dryRun: boolean;
  /** Why nothing was removed at all; null when it was not held. */
  readonly held: string | null;
  /** Newest first. */
  readonly decisions: readonly Decision[];
  readonly snapshots: {
    readonly kept: number;
    readonly removed: number;
    /** Those that the store did not let go: they are whole and listed. */
    readonly keptByStore: number;
    /** Those for which no time was left, or that a run took up meanwhile. */
    readonly left: number;
  };
  /** Objects removed, by what they were: `leftovers` are those of a snapshot that an earlier prune began to remove. */
  readonly obsolete: Readonly<Record<ObsoleteKind, number>>;
  /** Objects and bytes that were removed in all; with a dry run, that would be. */
  readonly objects: number;
  readonly bytes: number;
  /** Names of objects that the store refused to remove, the first 100, and how many they are. */
  readonly keptByStore: { readonly count: number; readonly names: readonly string[] };
  /** Snapshots whose manifest was removed by somebody else: their parts stay, so that they can be mended. */
  readonly missing: readonly string[];
  /** Whether all was looked at; false when time was up before. */
  readonly finished: boolean;
}
