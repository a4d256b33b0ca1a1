import { z } from 'zod';

/**
 * `in-place`: every vector is overwritten, then vectors without an item are removed, so that search keeps working. `flush`:
 * the index is cleared first. `missing`: only items without a vector are embedded; nothing is removed.
 */
export const REINDEX_MODES = ['in-place', 'flush', 'missing'] as const;
export type ReindexMode = (typeof REINDEX_MODES)[number];

const id = z.string().min(1).max(512);

/** Everything, one project, several, or some items, without touching other vectors. Only a restore uses the last two. */
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
/** The suffix of a namespace, after the project's id. */
const SUFFIX = /^[\w.:@~+-]{1,64}$/;
export const SUFFIX_WORDS = 'must be 1 to 64 letters, digits or any of . : @ ~ + _ -';

export const besideSchema = z.strictObject({
  /** The index that the application searches, or the one of UPSTASH_VECTOR_NEXT_REST_URL. */
  index: z.enum(['same', 'next']),
  suffix: z.union([z.literal(''), z.string().regex(SUFFIX, { error: SUFFIX_WORDS })]),
});
/** Where vectors are built without touching those that the application searches. */
export type Beside = z.infer<typeof besideSchema>;

const recipeSchema = z.object({
  model: z.string(),
  dimensions: z.number(),
  cutCodePoints: z.number(),
  textRule: z.number(),
});

/** The `input` of a re-index run. */
export const reindexInputSchema = z.object({
  scope: reindexScopeSchema,
  mode: z.enum(REINDEX_MODES),
  dryRun: z.boolean(),
  trigger: z.enum(['admin', 'cli', 'restore']),
  /** Null: the vectors that the application searches. */
  beside: besideSchema.nullable().default(null),
  /** Null in runs of earlier versions, which use the configured one. */
  recipe: recipeSchema.nullable().default(null),
  /** Whether mode `flush` may clear even if the limits do not allow embedding everything within a day. */
  overDays: z.boolean().default(false),
  /** The run that this one finishes; items that it embedded are not embedded again. */
  retry: z.string().nullable().default(null),
  /** Embeds nothing: checks the vectors built beside, then removes those that the application searched before. */
  dropOld: z.boolean().default(false),
});
export type ReindexInput = z.infer<typeof reindexInputSchema>;

/**
 * Why an item has no new vector. `not-a-hash`, `not-utf8`, `no-text`, `empty` and `too-large` are faults of the item, and
 * its vector is removed. The others are refusals of a service: the embedder refuses the text, fails on it while it embeds
 * others, or returns no usable vector; or the index refuses the vector. They may be temporary, so the old vector is kept.
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

/** Whether a service refused the item, so that the item itself may be fine. */
export function isRefusal(reason: SkipReason): boolean {
  return REFUSALS.has(reason);
}

/** An item and its cluster; '' for none. A type, not an interface: it is stored as JSON. */
export type ItemRef = readonly [id: string, cluster: string];

/** Items of one project that are embedded with one call. */
export const batchSchema = z.object({
  project: z.string(),
  items: z.array(z.tuple([z.string(), z.string()])),
});
export type Batch = z.infer<typeof batchSchema>;

/** An item in more than one cluster. */
export const conflictSchema = z.object({
  project: z.string(),
  id: z.string(),
  clusters: z.array(z.string()),
  chosen: z.string(),
});
export type Conflict = z.infer<typeof conflictSchema>;

/** An item without a new vector. A type, not an interface: it is stored as JSON. */
export type Skipped = { readonly project: string; readonly id: string; readonly reason: SkipReason };

/** Use of the embedder. */
export const spentSchema = z.object({ calls: z.number(), texts: z.number(), characters: z.number() });
export type Spent = Readonly<z.infer<typeof spentSchema>>;
export const NOTHING_SPENT: Spent = { calls: 0, texts: 0, characters: 0 };

export function addSpent(a: Spent, b: Spent): Spent {
  return { calls: a.calls + b.calls, texts: a.texts + b.texts, characters: a.characters + b.characters };
}

/** How many entries a list in a report has at most; counts include all. */
export const MOST_NAMED = 100;

const PLAIN_WORD = /^[\w.:@-]+$/;

/**
 * The command that re-indexes a scope, with these options; `ID` replaces an id that would need quoting in a shell.
 * For items it is the command of their project: items have no option.
 */
export function reindexCommand(scope: ReindexScope, ...options: readonly string[]): string {
  const projects = projectsIn(scope);
  if (projects === null) return command('--all', ...options);
  return projects.map((id) => command(`--project ${PLAIN_WORD.test(id) ? id : 'ID'}`, ...options)).join(' && ');
}

/** The options that name where vectors are built beside those that the application searches, and with which model. */
export function placeOptions({ index, suffix }: Beside, model: string): string {
  return `${index === 'next' ? '--next' : `--into ${suffix}`} --model ${model}`;
}

/** The command that finishes the work of an incomplete run. */
export function retryCommand(run: string): string {
  return command(`--retry ${run}`);
}

function command(...options: readonly string[]): string {
  return ['npx soulcaster-backup reindex', ...options, '--env-file .env'].join(' ');
}
