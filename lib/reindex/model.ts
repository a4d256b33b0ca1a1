import { z } from 'zod';

/**
 * `in-place`: everything is written over, then vectors without an item are removed: search never goes empty. `flush`:
 * cleared first. `missing`: only items without a vector; nothing is removed.
 */
export const REINDEX_MODES = ['in-place', 'flush', 'missing'] as const;
export type ReindexMode = (typeof REINDEX_MODES)[number];

export const reindexScopeSchema = z.union([
  z.strictObject({ all: z.literal(true) }),
  z.strictObject({ project: z.string().min(1).max(512) }),
]);
export type ReindexScope = z.infer<typeof reindexScopeSchema>;

/** What a re-index run was asked to do; its `input`. */
export const reindexInputSchema = z.object({
  scope: reindexScopeSchema,
  mode: z.enum(REINDEX_MODES),
  dryRun: z.boolean(),
  trigger: z.enum(['admin', 'cli', 'restore']),
});
export type ReindexInput = z.infer<typeof reindexInputSchema>;

/**
 * Why an item has no new vector. `not-a-hash`, `not-utf8`, `no-text`, `empty` and `too-large` are the item's own fault,
 * and a vector of it is removed. The others are refusals of a service: the embedder refuses the text, fails over it while
 * it embeds others, or gives no usable vector; the index refuses to take it. They may pass, and leave the vector there was.
 */
export const SKIP_REASONS = [
  'not-a-hash',
  'not-utf8',
  'no-text',
  'empty',
  'too-large',
  'refused',
  'embedder-failed',
  'bad-embedding',
  'index-refused',
] as const;
export type SkipReason = (typeof SKIP_REASONS)[number];

const REFUSALS: ReadonlySet<SkipReason> = new Set<SkipReason>([
  'refused',
  'embedder-failed',
  'bad-embedding',
  'index-refused',
]);

/** Whether a service refused the item, which says nothing against the item itself. */
export function isRefusal(reason: SkipReason): boolean {
  return REFUSALS.has(reason);
}

/** An item and the cluster that it is in; '' for none. A type, not an interface: it is stored as JSON. */
export type ItemRef = readonly [id: string, cluster: string];

/** Items of one project that are embedded with one call. */
export const batchSchema = z.object({
  project: z.string(),
  items: z.array(z.tuple([z.string(), z.string()])),
});
export type Batch = z.infer<typeof batchSchema>;

/** An item that stands in more than one cluster. A type, not an interface: it is stored as JSON. */
export const conflictSchema = z.object({
  project: z.string(),
  id: z.string(),
  clusters: z.array(z.string()),
  chosen: z.string(),
});
export type Conflict = z.infer<typeof conflictSchema>;

/** An item that got no vector. A type, not an interface: it is stored as JSON. */
export type Skipped = { readonly project: string; readonly id: string; readonly reason: SkipReason };

/** What was asked of the embedder; a type, not an interface: it is stored as JSON. */
export type Spent = { readonly calls: number; readonly texts: number; readonly characters: number };
export const NOTHING_SPENT: Spent = { calls: 0, texts: 0, characters: 0 };

export function addSpent(a: Spent, b: Spent): Spent {
  return { calls: a.calls + b.calls, texts: a.texts + b.texts, characters: a.characters + b.characters };
}

/** How many of anything a report names; the counts are of all of them. */
export const MOST_NAMED = 100;
