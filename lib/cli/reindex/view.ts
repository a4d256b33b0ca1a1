import { z } from 'zod';
import type { Json } from '../../json.js';
import { reindexInputSchema, SKIP_REASONS } from '../../reindex/model.js';
import { count, counted, dollars, duration } from '../../formats.js';
import { printable } from '../../snapshot/ledger.js';
import { facts, table } from '../output/table.js';
import { recipeWords } from '../../soulcaster/index-models.js';
import type { RunRecord } from '../../runs/model.js';

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
type ReindexPlan = z.infer<typeof dryRunSchema>;

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
type ReindexReport = z.infer<typeof reportSchema>;

const droppedSchema = reindexInputSchema.extend({
  dropped: z.number(),
  items: z.number(),
  removed: z.array(z.object({ namespace: z.string(), vectors: z.number() })),
});
type Dropped = z.infer<typeof droppedSchema>;

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

/** How many skipped items and conflicts are shown; --json lists more. */
const SHOWN = 20;

/** The plan of a re-index as text. */
export function planText(plan: ReindexPlan): string {
  const rows = plan.projects.map(({ project, items, toEmbed, present, strays, conflicts, skipped }) => [
    projectName(project),
    ...[items, present, toEmbed, strays, conflicts, skipped].map(count),
  ]);
  return [
    `What a re-index with mode ${plan.mode} would do:`,
    table(
      ['project', 'items', 'with a vector', 'to embed', 'strays', 'conflicts', 'skipped'],
      rows,
      [1, 2, 3, 4, 5, 6],
    ),
    facts([
      ['calls', `${count(plan.calls)} of the embedder, about ${count(plan.tokens)} tokens`],
      ['price', priceWords(plan)],
      ...limitRows(plan),
    ]),
    ...remarks(plan),
  ].join('\n\n');
}

/** The report of a re-index as text. After a success it ends with how to switch to vectors that were built beside the index. */
export function reportText(report: ReindexReport, state: RunRecord['state']): string {
  const rows = report.projects.map(({ project, items, embedded, unchanged, swept, skipped, conflicts }) => [
    projectName(project),
    ...[items, embedded, unchanged, swept, skipped, conflicts].map(count),
  ]);
  const { proof } = report;
  return [
    `Re-indexed with mode ${report.mode}.`,
    table(['project', 'items', 'embedded', 'unchanged', 'swept', 'skipped', 'conflicts'], rows, [1, 2, 3, 4, 5, 6]),
    facts([
      [
        'proof',
        `${counted(proof.items, 'item')}, ${counted(proof.vectors, 'vector')}: ${count(proof.missing)} missing, ${count(proof.strays)} strays, ${count(proof.wrong)} wrong; ${count(proof.sampleFound)} of ${count(proof.sampled)} found themselves`,
      ],
      ['calls', `${count(report.calls)} of the embedder, about ${count(report.tokens)} tokens`],
      ['price', priceWords(report)],
      ...comparedRows(report),
      ['time', duration(report.milliseconds)],
    ]),
    ...remarks(report),
    ...(state === 'succeeded' ? switchWords(report) : []),
  ].join('\n\n');
}

/** The result of removing old vectors as text. */
export function droppedText({ dropped, dryRun, removed }: Dropped): string {
  const rows = removed.slice(0, SHOWN).map(({ namespace, vectors }) => [projectName(namespace), count(vectors)]);
  const what = dryRun ? 'What would be removed' : 'Removed';
  return [
    `${what}: ${counted(dropped, 'old vector')}. Every item has a new one.`,
    `${table(['namespace', 'vectors'], rows, [1])}${moreText(removed.length, rows.length)}`,
  ].join('\n\n');
}

function priceWords({ estimatedUsd, recipe }: Pick<ReindexReport, 'estimatedUsd' | 'recipe'>): string {
  const model = recipe === null ? '' : ` with ${recipe.model}`;
  return estimatedUsd === null ? `not known${model}` : `about ${dollars(estimatedUsd)}${model}`;
}

const LIMITS = [
  ['textsPerMinute', 'texts a minute'],
  ['tokensPerMinute', 'tokens a minute'],
  ['textsPerDay', 'texts a day'],
  ['updatesPerDay', 'vectors a day into the index'],
] as const;

/** The limits of embedder and index, and how long the re-index takes within them. */
function limitRows({ forecast, mode }: ReindexPlan): [string, string][] {
  if (forecast === undefined) return [];
  const { assumed, days, limits, minutes } = forecast;
  const words = LIMITS.map(([name, unit]) => {
    const limit = limits[name] ?? null;
    const free = assumed.includes(name) ? ' (free plan; not set here)' : '';
    return limit === null ? `unlimited ${unit}` : `${count(limit)} ${unit}${free}`;
  });
  const requirement = mode === 'flush' && days > 1 ? ': mode flush needs --yes-over-days' : '';
  const long = days > 1 ? `about ${days} days` : minutes > 1 ? `${count(minutes)} minutes at least` : 'within a minute';
  return [
    ['limits', words.join(', ')],
    ['time needed', `${long}${requirement}`],
  ];
}

function comparedRows({ compared }: ReindexReport): [string, string][] {
  if (compared === null) return [];
  const same = (compared.overlap * 10).toFixed(1);
  return [
    [
      'compared',
      `${counted(compared.queries, 'item')}: of the ten nearest to each, old and new vectors have ${same} in common`,
    ],
  ];
}

/** How to switch the application to the new vectors. */
function switchWords({ beside, dropOld, dryRun, recipe }: ReindexReport): string[] {
  if (beside === null || recipe === null || dryRun || dropOld) return [];
  const { index, suffix } = beside;
  const where = [
    ...(index === 'next' ? ['the index of UPSTASH_VECTOR_NEXT_REST_URL'] : []),
    ...(suffix === '' ? [] : [`the namespaces PROJECT${suffix} (the id of the project, then ${suffix})`]),
  ].join(' and ');
  const place = `${index === 'next' ? ' --next' : ''}${suffix === '' ? '' : ` --into ${suffix}`}`;
  const own = ` --model ${recipe.model} --dimensions ${recipe.dimensions}`;
  const set = [
    ...(index === 'next' ? ['UPSTASH_VECTOR_REST_URL and _TOKEN (those of the new index)'] : []),
    ...(suffix === '' ? [] : [`VECTOR_NAMESPACE_SUFFIX=${suffix}`]),
    `EMBEDDING_MODEL=${recipe.model}`,
    `EMBEDDING_DIMENSIONS=${recipe.dimensions}`,
  ].join(', ');
  return [
    [
      `The application still searches the old vectors. The new ones, ${recipeWords(recipe)}, are in ${where}. To switch:`,
      `  1. Bring them up to date: npx soulcaster-backup reindex --all${place}${own} --mode missing --env-file .env`,
      `  2. Deploy the application with that model and ${where}, for reading and writing.`,
      `  3. Repeat step 1 and check that search works, then remove the old vectors: npx soulcaster-backup reindex --all${place}${own} --drop-old --env-file .env`,
      `  4. Set here and in the Vercel project: ${set}; deploy.`,
    ].join('\n'),
  ];
}

function remarks({ skipped, conflicts }: Pick<ReindexReport, 'skipped' | 'conflicts'>): string[] {
  const lines: string[] = [];
  if (skipped.count > 0) {
    const rows = skipped.named
      .slice(0, SHOWN)
      .map(({ project, id, reason }) => [projectName(project), printable(id), reason.replaceAll('-', ' ')]);
    lines.push(`${table(['project', 'item without a vector', 'why'], rows)}${moreText(skipped.count, rows.length)}`);
  }
  if (conflicts.count > 0) {
    const rows = conflicts.named
      .slice(0, SHOWN)
      .map(({ project, id, clusters, chosen }) => [
        projectName(project),
        printable(id),
        count(clusters.length),
        printable(chosen),
      ]);
    lines.push(
      `${table(['project', 'item in several clusters', 'how many', 'taken'], rows)}${moreText(conflicts.count, rows.length)}`,
    );
  }
  return lines;
}

function moreText(all: number, shown: number): string {
  return all > shown ? `\nand ${count(all - shown)} more` : '';
}

/** Old items without a project are in the index's default namespace. */
function projectName(project: string): string {
  return project === '' ? '(none)' : printable(project);
}
