import { z } from 'zod';

/**
 * `in-place`: everything is written over, then vectors without an item are removed: search never goes empty. `flush`:
 * cleared first. `missing`: only items without a vector; nothing is removed.
 */
export const REINDEX_MODES = ['in-place', 'flush', 'missing'] as const;
export type ReindexMode = (typeof REINDEX_MODES)[number];

const id = z.string().min(1).max(512);

/** Everything, a project, several, or items of theirs: then no other vector is looked at. A restore alone asks for the last two. */
export const reindexScopeSchema = z.union([
  z.strictObject({ all: z.literal(true) }),
  z.strictObject({ project: id }),
  z.strictObject({ projects: z.array(id).min(1) }),
  z.strictObject({ items: z.array(z.strictObject({ project: id, id })).min(1) }),
]);
export type ReindexScope = z.infer<typeof reindexScopeSchema>;

/** The projects of a scope; null for all. */
export function projectsIn(scope: ReindexScope): readonly string[] | null {
  if ('all' in scope) return null;
  if ('project' in scope) return [scope.project];
  return 'projects' in scope ? scope.projects : [...new Set(scope.items.map(({ project }) => project))];
}

/** The items of a project that a scope is limited to; null for all of them. */
export function itemsOnly(scope: ReindexScope, project: string): ReadonlySet<string> | null {
  if (!('items' in scope)) return null;
  return new Set(scope.items.filter((item) => item.project === project).map((item) => item.id));
}
/** What the names of namespaces end in after the project's id. */
const SUFFIX = /^[\w.:@~+-]{1,64}$/;
export const SUFFIX_WORDS = 'must be 1 to 64 letters, digits or any of . : @ ~ + _ -';

export const besideSchema = z.strictObject({
  /** The index that the application searches, or the one of UPSTASH_VECTOR_NEXT_REST_URL. */
  index: z.enum(['same', 'next']),
  suffix: z.union([z.literal(''), z.string().regex(SUFFIX, { error: SUFFIX_WORDS })]),
});
/** Where vectors are built beside those that the application searches. */
export type Beside = z.infer<typeof besideSchema>;

const recipeSchema = z.object({
  model: z.string(),
  dimensions: z.number(),
  cutCodePoints: z.number(),
  textRule: z.number(),
});

/** What a re-index run was asked to do; its `input`. */
export const reindexInputSchema = z.object({
  scope: reindexScopeSchema,
  mode: z.enum(REINDEX_MODES),
  dryRun: z.boolean(),
  trigger: z.enum(['admin', 'cli', 'restore']),
  /** Null: the vectors that the application searches. */
  beside: besideSchema.nullable().default(null),
  /** What the vectors are made with; null in runs of earlier versions: what is configured. */
  recipe: recipeSchema.nullable().default(null),
  /** Whether mode `flush` may clear although the limits do not let all be embedded within a day. */
  overDays: z.boolean().default(false),
  /** The run whose rest this one does; what that one embedded is not embedded again. */
  retry: z.string().nullable().default(null),
  /** Whether nothing is embedded: once what is beside is proven, what the application searched before is removed. */
  dropOld: z.boolean().default(false),
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
