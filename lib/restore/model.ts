import { z } from 'zod';
import type { RecordLine } from '../snapshot/record.js';

/** `replace`: the scope ends up equal to the snapshot; `merge`: nothing is deleted; `missing`: only keys that are absent. */
export const MODES = ['replace', 'merge', 'missing'] as const;
export type Mode = (typeof MODES)[number];

/** `keep`: keys expire when they would have; `shift`: with the time they had left at the snapshot; `drop`: never. */
export const EXPIRY_RULES = ['keep', 'shift', 'drop'] as const;
export type ExpiryRule = (typeof EXPIRY_RULES)[number];

export const scopeSchema = z.union([
  z.strictObject({ all: z.literal(true) }),
  z.strictObject({ project: z.string().min(1).max(512) }),
]);
export type Scope = z.infer<typeof scopeSchema>;

/** What a restore run was asked to do; its `input`. */
export const restoreInputSchema = z.object({
  /** Id of the snapshot. */
  snapshot: z.string(),
  scope: scopeSchema,
  mode: z.enum(MODES),
  expiry: z.enum(EXPIRY_RULES),
  dryRun: z.boolean(),
  /** Name of the target database; null for the one that is backed up. */
  target: z.string().nullable(),
  /** Whether what is there now is saved first, so that the restore can be undone. */
  safety: z.boolean(),
  /** Whether jobs and clusters that were in flight when the snapshot was taken end up as failed. */
  settle: z.boolean(),
  /** Whether the vectors of what was restored are made anew. */
  reindex: z.boolean().default(true),
  /** Whether it undoes the restore of the project: then its users' lists lose it as well where the snapshot lacks it. */
  undoes: z.boolean().default(false),
  /** Whether the snapshot may be of another database than the one it is restored into. */
  fromSource: z.boolean().default(false),
  trigger: z.enum(['webhook', 'admin', 'cli', 'drill']),
});
export type RestoreInput = z.infer<typeof restoreInputSchema>;

/**
 * A record of a snapshot. Most are one line. A big one is its first line and the lines that follow, which are read on
 * demand and must be read, if at all, before the next record is asked for.
 */
export interface SourceRecord {
  readonly first: RecordLine;
  /** The lines after the first, in order; null when there is only one. */
  readonly rest: AsyncIterable<RecordLine> | null;
}

/**
 * A record as it is to stand in the target: of the scope, settled, with its expiry as the rule has it (fields that have
 * expired are left out of `v` and `fx`). `expired`: its time is over, so it is not to be there at all.
 */
export interface TargetRecord extends SourceRecord {
  readonly expired: boolean;
  /** The first line with its work still in flight; left out when there is none, or more than one line. */
  readonly unsettled?: RecordLine;
  /** Whether work in flight was made failed in it; known when its `rest` has been read. */
  readonly failsWork?: () => boolean;
}
