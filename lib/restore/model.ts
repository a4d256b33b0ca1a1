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
 * What is restored: everything; one project; keys that match every kind of selector given, by any of its entries (see
 * `Selection`; keys and patterns as an operator writes them); or items of feedback, each with its entry in every list.
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

/** Whose vectors are rebuilt: all, those of some projects, or of some items. */
export const vectorScopeSchema = z.union([
  z.strictObject({ all: z.literal(true) }),
  z.strictObject({ project: z.string() }),
  z.strictObject({ projects: z.array(z.string()).min(1) }),
  z.strictObject({ items: z.array(itemSchema).min(1) }),
]);
export type VectorScope = z.infer<typeof vectorScopeSchema>;

/** The request of a restore run; its `input`. */
export const restoreInputSchema = z.object({
  /** Id of the snapshot. */
  snapshot: z.string(),
  /** The file that the snapshot was made from, as words of a command: the snapshot is in no store. Null for a stored one. */
  file: z.string().nullable().default(null),
  scope: scopeSchema,
  mode: z.enum(MODES),
  expiry: z.enum(EXPIRY_RULES),
  dryRun: z.boolean(),
  /** Name of the target database; null for the protected one. */
  target: z.string().nullable(),
  /** Whether the target's data are saved first, so that the restore can be undone. */
  safety: z.boolean(),
  /** Whether jobs and clusters that were in flight in the snapshot are restored as failed. */
  settle: z.boolean(),
  /** Whether the vectors of the restored data are rebuilt. */
  reindex: z.boolean().default(true),
  /**
   * Whether this undoes a restore of the same scope: then the snapshot need not hold the scope, and users' lists lose
   * projects that they lack in the snapshot.
   */
  undoes: z.boolean().default(false),
  /** Whether the snapshot may be of another database than the target. */
  fromSource: z.boolean().default(false),
  trigger: z.enum(['webhook', 'admin', 'cli', 'drill']),
});
export type RestoreInput = z.infer<typeof restoreInputSchema>;

/**
 * A record as it must be in the target: in-flight jobs failed, and its expiry as the rule gives it (expired fields are
 * left out of `v` and `fx`). `expired`: the key must not be there.
 */
export interface TargetRecord extends SourceRecord {
  readonly expired: boolean;
  /** The first line with its work still in flight; absent when there is none, or more than one line. */
  readonly stillInFlight?: RecordLine;
  /** Whether in-flight work in the record was failed; known once its `rest` has been read. */
  readonly failsWork?: () => boolean;
}
