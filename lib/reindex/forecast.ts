import { AppError } from '../errors.js';
import type { Json } from '../json.js';
import type { Embedder, EmbedderLimits } from '../ports/embedder.js';
import type { RunFailure, StepOutcome } from '../runs/model.js';
import {
  type ProjectPlan,
  type ProjectState,
  type ReindexCheckpoint,
  withFindings,
  withProject,
} from './checkpoint.js';
import { batchSize, CHARACTERS_PER_TOKEN, type ReindexPorts, type ReindexSettings, throwIfAborted } from './context.js';
import { readItems } from './items.js';
import { addSpent, MOST_NAMED, reindexCommand, type ReindexInput, type Skipped } from './model.js';
import { pages } from './namespace.js';
import { describeRefusedNamespaces } from './refusal.js';

/** The limits of the embedder and the index. */
export interface Limits extends EmbedderLimits {
  readonly updatesPerDay: number | null;
}
type LimitName = keyof Limits;

/** How much of the limits a run needs. */
export interface Need {
  readonly texts: number;
  readonly tokens: number;
  readonly updates: number;
}

/** How long a run takes at least, by the limits. A type, not an interface: it is stored as JSON. */
export type Forecast = {
  /** Days, rounded up. 1: everything is done without a pause. */
  readonly days: number;
  /** Minutes, by the limits per minute. */
  readonly minutes: number;
  /** The limits used for the forecast; null: no limit. */
  readonly limits: Readonly<Record<LimitName, number | null>>;
  /** Limits that are not set and were taken from the free plans. */
  readonly assumed: readonly LimitName[];
  /** The limit that takes longest. */
  readonly slowest: LimitName;
};

/**
 * Limits of Gemini's free tier (ai.google.dev/gemini-api/docs/rate-limits) and of Upstash Vector's free plan
 * (upstash.com/docs/vector/overall/pricing), November 2026. Used when the plan is not known.
 */
const FREE: Readonly<Record<LimitName, number>> = {
  textsPerMinute: 100,
  tokensPerMinute: 30_000,
  textsPerDay: 1_000,
  updatesPerDay: 10_000,
};
/** The variable that sets a limit. */
const VARIABLES: Readonly<Record<LimitName, string>> = {
  textsPerMinute: 'EMBEDDING_TEXTS_PER_MINUTE',
  tokensPerMinute: 'EMBEDDING_TOKENS_PER_MINUTE',
  textsPerDay: 'EMBEDDING_TEXTS_PER_DAY',
  updatesPerDay: 'VECTOR_UPDATES_PER_DAY',
};
const MINUTES_PER_DAY = 1_440;

/** How long a run takes by the limits alone, if nothing else uses them and none of the daily ones is used yet. */
export function forecast({ texts, tokens, updates }: Need, given: Limits): Forecast {
  const names = Object.keys(FREE) as LimitName[];
  const limit = (name: LimitName): number => given[name] ?? FREE[name];
  const days: readonly (readonly [LimitName, number])[] = [
    ['textsPerDay', texts / limit('textsPerDay')],
    ['updatesPerDay', updates / limit('updatesPerDay')],
    ['textsPerMinute', texts / limit('textsPerMinute') / MINUTES_PER_DAY],
    ['tokensPerMinute', tokens / limit('tokensPerMinute') / MINUTES_PER_DAY],
  ];
  const [slowest, most] = [...days].sort(([, a], [, b]) => b - a)[0] ?? ['textsPerDay', 0];
  return {
    days: Math.max(1, Math.ceil(most)),
    minutes: Math.ceil(Math.max(texts / limit('textsPerMinute'), tokens / limit('tokensPerMinute'))),
    limits: Object.fromEntries(names.map((name) => [name, finiteOrNull(limit(name))])) as Forecast['limits'],
    assumed: names.filter((name) => given[name] === null),
    slowest,
  };
}

/** Throws `not-confirmed` when search would lack vectors for longer than a day, unless the input allows that. */
export function assertWithinOneDay(
  { overDays, scope }: ReindexInput,
  { assumed, days, limits, slowest }: Forecast,
): void {
  if (overDays || days <= 1) return;
  const source = assumed.includes(slowest) ? ' of the free plan' : '';
  const known = `If the plan allows more, set ${VARIABLES[slowest]} (0: no limit).`;
  throw new AppError(
    'not-confirmed',
    `Mode flush would leave search without most vectors for about ${days} days: ${formatLimit(slowest, limits[slowest])}${source}. Nothing was changed`,
    {
      hint: `Mode in-place keeps search working: \`${reindexCommand(scope)}\`. ${known} To clear anyway: \`${reindexCommand(scope, '--mode flush', '--yes-over-days')}\`.`,
    },
  );
}

const WORDS: Readonly<Record<LimitName, string>> = {
  textsPerMinute: 'texts a minute',
  tokensPerMinute: 'tokens a minute',
  textsPerDay: 'texts a day',
  updatesPerDay: 'vectors a day into the index',
};

function formatLimit(name: LimitName, limit: number | null): string {
  return limit === null ? `no limit of ${WORDS[name]}` : `${limit} ${WORDS[name]}`;
}

function finiteOrNull(value: number): number | null {
  return Number.isFinite(value) ? value : null;
}

interface Estimate {
  readonly tokens: number;
  /** Null if the price of the model is not known. */
  readonly estimatedUsd: number | null;
}

/** The cost of embedding this many characters; an estimate, because the service does not report what it counted. */
export function estimateCost(
  { usdPerMillionTokens }: Pick<Embedder, 'usdPerMillionTokens'>,
  characters: number,
): Estimate {
  const tokens = Math.ceil(characters / CHARACTERS_PER_TOKEN);
  if (usdPerMillionTokens === null) return { tokens, estimatedUsd: null };
  return { tokens, estimatedUsd: Number(((tokens * usdPerMillionTokens) / 1_000_000).toFixed(6)) };
}

/** Reads the items of a project as a run would, to count items that cannot be embedded and the amount of text. */
export async function measureProject(
  ports: ReindexPorts,
  settings: ReindexSettings,
  state: ReindexCheckpoint,
  plan: ProjectPlan,
  signal: AbortSignal,
): Promise<ReindexCheckpoint> {
  const { entry, items } = plan;
  const skipped: Skipped[] = [...plan.odd];
  let spent = { calls: 0, texts: 0, characters: 0 };
  for (const page of pages(items, batchSize(ports.embedder, settings))) {
    throwIfAborted(signal);
    const read = await readItems(ports.redis, entry.project, page, settings.cutCodePoints);
    let characters = 0;
    let texts = 0;
    for (const [index, item] of read.entries()) {
      if (item === 'gone') continue;
      if ('skip' in item) skipped.push({ project: entry.project, id: page[index]?.[0] ?? '', reason: item.skip });
      else [texts, characters] = [texts + 1, characters + item.text.length];
    }
    spent = addSpent(spent, { calls: texts > 0 ? 1 : 0, texts, characters });
  }
  const measured = { ...entry, planned: spent.texts, odd: skipped.length };
  const next = withFindings(withProject(state, measured), { ...plan, odd: skipped });
  return { ...next, spent: addSpent(state.spent, spent) };
}

/** Ends a dry run with a report of what a run would do. */
export function endDryRun(
  ports: ReindexPorts,
  settings: ReindexSettings,
  input: ReindexInput,
  state: ReindexCheckpoint,
): StepOutcome {
  const { projects, conflicts, odd, spent, startedAt } = state;
  const total = (field: 'items' | 'planned' | 'present' | 'strays' | 'conflicts' | 'odd'): number =>
    projects.reduce((sum, entry) => sum + entry[field], 0);
  const price = estimateCost(ports.embedder, spent.characters);
  const result = {
    ...input,
    projects: projects.map(
      ({ project, items, planned, unchanged, present, strays, conflicts: several, odd: skips, refused }) => ({
        project,
        items,
        toEmbed: planned,
        present,
        unchanged,
        strays: input.mode === 'missing' ? 0 : strays,
        conflicts: several,
        skipped: skips,
        refused,
      }),
    ),
    items: total('items'),
    toEmbed: total('planned'),
    present: total('present'),
    strays: input.mode === 'missing' ? 0 : total('strays'),
    skipped: { count: total('odd'), named: odd.slice(0, MOST_NAMED) },
    conflicts: { count: total('conflicts'), named: conflicts },
    calls: spent.calls,
    ...price,
    forecast: forecast(
      { texts: total('planned'), tokens: price.tokens, updates: total('planned') },
      { ...ports.embedder.limits, updatesPerDay: settings.updatesPerDay },
    ),
    milliseconds: ports.clock.now() - startedAt,
  };
  const refusedProjects = projects.filter(({ refused }) => refused !== null);
  return {
    to: 'end',
    state: refusedProjects.length === 0 ? 'succeeded' : 'incomplete',
    result: result as unknown as Json,
    error: refusedProjects.length === 0 ? null : incompletePlanFailure(refusedProjects),
  };
}

/** A namespace that the index refuses to list cannot be planned, and a run could not re-index it. */
function incompletePlanFailure(refusedProjects: readonly ProjectState[]): RunFailure {
  return {
    code: 'incomplete',
    message: `Everything else is planned, but ${describeRefusedNamespaces(refusedProjects)}`,
    hint: 'A re-index would do everything else. Fix the cause of the refusal (the token, or the name of the namespace) and plan again.',
  };
}
