import { z } from 'zod';
import type { RecordLine } from '../snapshot/record.js';
import type { SourceRecord } from '../snapshot/source-records.js';

/** `replace`: the scope ends up equal to the snapshot; `merge`: nothing is deleted; `missing`: only keys that are absent. */
export const MODES = ['replace', 'merge', 'missing'] as const;
export type Mode = (typeof MODES)[number];

/** `keep`: keys expire when they would have; `shift`: with the time they had left at the snapshot; `drop`: never. */
export const EXPIRY_RULES = ['keep', 'shift', 'drop'] as const;
export type ExpiryRule = (typeof EXPIRY_RULES)[number];

const projectSchema = z.string().min(1).max(512);
const entries = (entry: z.ZodString) => z.array(entry).max(1_000).default([]);

/** One item of feedback. A type, not an interface: it is stored as JSON. */
const itemSchema = z.strictObject({ project: projectSchema, id: z.string().min(1).max(512) });
export type Item = z.infer<typeof itemSchema>;

/**
 * What is restored: everything; one project; the keys that fit every kind that is given, by any entry of it (see
 * `Selection`; keys and patterns as an operator writes them); or items of feedback, each with its place in every list.
 */
export const scopeSchema = z.union([
  z.strictObject({ all: z.literal(true) }),
  z.strictObject({ project: projectSchema }),
  z
    .strictObject({
      projects: entries(projectSchema),
      families: entries(z.string().min(1).max(64)),
      matches: entries(z.string().min(1).max(1_024)),
      // The name of a key may be empty.
      keys: entries(z.string().max(64 * 1024)),
    })
    .refine((kinds) => Object.values(kinds).some((kind) => kind.length > 0)),
  z.strictObject({ items: z.array(itemSchema).min(1).max(1_000) }),
]);
export type Scope = z.infer<typeof scopeSchema>;

/** Whose vectors are rebuilt: everybody's, those of some projects, or of some items. */
export const vectorScopeSchema = z.union([
  z.strictObject({ all: z.literal(true) }),
  z.strictObject({ project: z.string() }),
  z.strictObject({ projects: z.array(z.string()).min(1) }),
  z.strictObject({ items: z.array(itemSchema).min(1) }),
]);
export type VectorScope = z.infer<typeof vectorScopeSchema>;

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
  /** Whether the vectors of what was restored are rebuilt. */
  reindex: z.boolean().default(true),
  /** Whether it undoes a restore of the same scope: then the snapshot need not hold it, and users' lists lose projects that it lacks. */
  undoes: z.boolean().default(false),
  /** Whether the snapshot may be of another database than the one it is restored into. */
  fromSource: z.boolean().default(false),
  trigger: z.enum(['webhook', 'admin', 'cli', 'drill']),
});
export type RestoreInput = z.infer<typeof restoreInputSchema>;

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
