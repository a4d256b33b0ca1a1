import { z } from 'zod';
import type { Json } from '../json.js';
import type { RedisPort } from '../ports/redis.js';
import type { Manifest } from '../snapshot/manifest.js';
import { unsavedWords } from '../snapshot/ledger.js';
import { acceptanceSchema } from '../snapshot/statements.js';
import { doubtsOf } from '../snapshot/summary.js';
import { plainLabel, shortSource, sourceOf } from '../snapshot/source.js';
import { restoreInputSchema, vectorScopeSchema } from './model.js';
import { planSchema } from './plan.js';
import { proofSchema } from './proof.js';

const spent = z.object({ commands: z.number(), requests: z.number() });

/** The snapshot and the database of a restore, for people. Sources by their first digits. */
const storedNamesSchema = z.object({
  database: z.object({ source: z.string(), label: z.string().nullable() }),
  snapshot: z.object({
    source: z.string(),
    label: z.string().nullable(),
    /** Whether the snapshot is of the database that it is restored into. */
    own: z.boolean(),
    createdAt: z.string(),
    /** Why the snapshot may not show its whole database. */
    doubts: z.array(z.string()),
    /** Keys of its database that the snapshot lacks, in words; null when the manifest reports none. */
    unsaved: z.string().nullable().default(null),
  }),
});
export type RestoreNames = z.infer<typeof storedNamesSchema>;

const { database, snapshot } = storedNamesSchema.shape;
/** The host is added when a result is shown; it is not stored. */
const namesSchema = z.object({ database: database.extend({ host: z.string().nullable().default(null) }), snapshot });

/** The result of a dry run. */
const dryRunSchema = restoreInputSchema.extend({
  names: namesSchema,
  /** Who accepted the snapshot in spite of its doubts, and why; null if nobody did. */
  accepted: acceptanceSchema.pick({ at: true, by: true, reason: true }).nullable().default(null),
  /** Whether the database stays marked as unfinished: the snapshot was taken during a restore. */
  staysMarked: z.boolean().default(false),
  plan: planSchema,
  spent,
  milliseconds: z.number(),
  /** Time until all data were written; null in results of older versions and of runs that wrote nothing. */
  restoredMilliseconds: z.number().nullable().default(null),
});
export type DryRunResult = z.infer<typeof dryRunSchema>;

const projectSchema = z.object({
  project: z.string(),
  feedback: z.number(),
  clusters: z.number(),
  loads: z.boolean(),
  violations: z.array(
    z.object({
      rule: z.string(),
      count: z.number(),
      examples: z.array(z.string()),
      inSnapshot: z.number().default(0),
      before: z.number().default(0),
      fresh: z.number().default(0),
      unknown: z.number().default(0),
    }),
  ),
  backend: z.enum(['agrees', 'differs', 'no-answer', 'not-asked']),
});
export type RestoredProject = z.infer<typeof projectSchema>;

/** The result of a restore that reached its report. */
const restoredSchema = dryRunSchema.extend({
  undo: z.string(),
  locksTaken: z.number(),
  removed: z.number(),
  extras: z.number(),
  phases: z.record(z.string(), z.number()),
  written: z.object({
    written: z.number(),
    kept: z.number(),
    removed: z.number(),
    expired: z.number(),
    bytes: z.number(),
  }),
  /** Lists of members that got some, beside the keys that were written; absent in results of older versions. */
  united: z.object({ lists: z.number(), members: z.number() }).optional(),
  proof: proofSchema,
  gone: z.object({ proven: z.number(), there: z.number() }).nullable().default(null),
  projects: z.array(projectSchema),
  vectors: z.object({
    state: z.enum(['started', 'busy', 'to-do', 'not-configured', 'failed', 'skipped']),
    run: z.string().nullable(),
  }),
  /** Whose vectors have to be rebuilt; null: nobody's. Absent in runs of older versions: those of the scope. */
  vectorScope: vectorScopeSchema.nullable().optional(),
  /** Why a restore from the second store could not mark the first one. */
  notMarked: z.string().nullable().default(null),
});
export type RestoredResult = z.infer<typeof restoredSchema>;

/** The result of a dry run; null when the run failed before it had one. */
export function dryRunResult(result: Json): DryRunResult | null {
  return dryRunSchema.safeParse(result).data ?? null;
}

/** The result of a restore; null when the run failed before its report. */
export function restoredResult(result: Json): RestoredResult | null {
  return restoredSchema.safeParse(result).data ?? null;
}

interface NamingPorts {
  readonly redisOf: (target: string | null) => Pick<RedisPort, 'host'>;
  readonly label?: string | null;
}

export function namesOf({ label, redisOf }: NamingPorts, manifest: Manifest, target: string | null): RestoreNames {
  const source = sourceOf(redisOf(target).host);
  return {
    database: { source: shortSource(source), label: target === null ? (label ?? null) : null },
    snapshot: {
      source: shortSource(manifest.source),
      label: plainLabel(manifest.label),
      own: manifest.source === source,
      createdAt: manifest.createdAt,
      doubts: doubtsOf(manifest).map(({ detail }) => detail),
      unsaved: unsavedWords(manifest),
    },
  };
}
