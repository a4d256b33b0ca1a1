import { z } from 'zod';
import type { Json } from '../../json.js';
import { reindexInputSchema, SKIP_REASONS } from '../../reindex/model.js';

const skipped = z.object({
  count: z.number(),
  byReason: z.record(z.string(), z.number()).default({}),
  named: z.array(z.object({ project: z.string(), id: z.string(), reason: z.enum(SKIP_REASONS) })),
});
const conflicts = z.object({
  count: z.number(),
  named: z.array(z.object({ project: z.string(), id: z.string(), clusters: z.array(z.string()), chosen: z.string() })),
});

const common = reindexInputSchema.extend({
  skipped,
  conflicts,
  calls: z.number(),
  tokens: z.number(),
  estimatedUsd: z.number().nullable(),
  milliseconds: z.number(),
});

const dryRunSchema = common.extend({
  projects: z.array(
    z.object({
      project: z.string(),
      items: z.number(),
      toEmbed: z.number(),
      present: z.number(),
      strays: z.number(),
      conflicts: z.number(),
      skipped: z.number(),
    }),
  ),
  toEmbed: z.number(),
  forecast: z
    .object({
      days: z.number(),
      minutes: z.number(),
      limits: z.record(z.string(), z.number().nullable()),
      assumed: z.array(z.string()),
      slowest: z.string(),
    })
    .optional(),
});
export type ReindexPlan = z.infer<typeof dryRunSchema>;

const reportSchema = common.extend({
  projects: z.array(
    z.object({
      project: z.string(),
      items: z.number(),
      embedded: z.number(),
      unchanged: z.number(),
      swept: z.number(),
      skipped: z.number(),
      conflicts: z.number(),
    }),
  ),
  embedded: z.number(),
  unchanged: z.number(),
  swept: z.number(),
  again: z.number(),
  proof: z.object({
    items: z.number(),
    vectors: z.number(),
    missing: z.number(),
    strays: z.number(),
    wrong: z.number(),
    sampled: z.number(),
    sampleFound: z.number(),
  }),
  compared: z.object({ queries: z.number(), overlap: z.number() }).nullable().default(null),
});
export type ReindexReport = z.infer<typeof reportSchema>;

const droppedSchema = reindexInputSchema.extend({
  dropped: z.number(),
  items: z.number(),
  removed: z.array(z.object({ namespace: z.string(), vectors: z.number() })),
});
export type Dropped = z.infer<typeof droppedSchema>;

/** The result of removing old vectors; null for another kind of run, or one that failed. */
export function droppedOf(result: Json): Dropped | null {
  return droppedSchema.safeParse(result).data ?? null;
}

/** The plan of a dry run; null if the run failed before planning. */
export function planOf(result: Json): ReindexPlan | null {
  return dryRunSchema.safeParse(result).data ?? null;
}

/** The report of a re-index; null if the run failed before reporting. */
export function reportOf(result: Json): ReindexReport | null {
  return reportSchema.safeParse(result).data ?? null;
}
