import { AppError } from '../errors.js';
import type { EmbedderLimits, Embedder } from '../ports/embedder.js';
import { reindexCommand } from './commands.js';
import type { ReindexInput } from './model.js';
import { CHARACTERS_A_TOKEN } from './context.js';

/** What the embedder and the index allow. */
export interface Limits extends EmbedderLimits {
  readonly updatesPerDay: number | null;
}
type LimitName = keyof Limits;

/** What a run needs of them. */
export interface Need {
  readonly texts: number;
  readonly tokens: number;
  readonly updates: number;
}

/** How long the limits let a run take at the least. A type, not an interface: it is stored as JSON. */
export type Forecast = {
  /** Whole days, the begun one included. 1: all is done in one go. */
  readonly days: number;
  /** By the limits of a minute, in minutes. */
  readonly minutes: number;
  /** Those that were reckoned with; null: no limit. */
  readonly limits: Readonly<Record<LimitName, number | null>>;
  /** Those that are not set, and were taken from the free plans. */
  readonly assumed: readonly LimitName[];
  /** The one that takes longest. */
  readonly slowest: LimitName;
};

/**
 * Of a key of Gemini's free tier (ai.google.dev/gemini-api/docs/rate-limits) and of Upstash Vector's free plan
 * (upstash.com/docs/vector/overall/pricing), November 2026. Where a plan is not known, the smallest is what must do.
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
const MINUTES_A_DAY = 1_440;

/** How long a run takes by the limits alone, when nothing else uses them and the day's are not used yet. */
export function forecast({ texts, tokens, updates }: Need, given: Limits): Forecast {
  const names = Object.keys(FREE) as LimitName[];
  const limit = (name: LimitName): number => given[name] ?? FREE[name];
  const days: readonly (readonly [LimitName, number])[] = [
    ['textsPerDay', texts / limit('textsPerDay')],
    ['updatesPerDay', updates / limit('updatesPerDay')],
    ['textsPerMinute', texts / limit('textsPerMinute') / MINUTES_A_DAY],
    ['tokensPerMinute', tokens / limit('tokensPerMinute') / MINUTES_A_DAY],
  ];
  const [slowest, most] = [...days].sort(([, a], [, b]) => b - a)[0] ?? ['textsPerDay', 0];
  return {
    days: Math.max(1, Math.ceil(most)),
    minutes: Math.ceil(Math.max(texts / limit('textsPerMinute'), tokens / limit('tokensPerMinute'))),
    limits: Object.fromEntries(names.map((name) => [name, finite(limit(name))])) as Forecast['limits'],
    assumed: names.filter((name) => given[name] === null),
    slowest,
  };
}

/** Throws `not-confirmed` when search would go without vectors for longer than a day, unless that is meant. */
export function demandInOneDay({ overDays, scope }: ReindexInput, { assumed, days, limits, slowest }: Forecast): void {
  if (overDays || days <= 1) return;
  const source = assumed.includes(slowest) ? ' of the free plan' : '';
  const known = `If the plan allows more, set ${VARIABLES[slowest]} (0: no limit).`;
  throw new AppError(
    'not-confirmed',
    `Mode flush would leave search without most vectors for about ${days} days: ${limitWords(slowest, limits[slowest])}${source}. Nothing was changed`,
    {
      hint: `Mode in-place keeps search going: \`${reindexCommand(scope)}\`. ${known} To clear all the same: \`${reindexCommand(scope, '--mode flush', '--yes-over-days')}\`.`,
    },
  );
}

const WORDS: Readonly<Record<LimitName, string>> = {
  textsPerMinute: 'texts a minute',
  tokensPerMinute: 'tokens a minute',
  textsPerDay: 'texts a day',
  updatesPerDay: 'vectors a day into the index',
};

function limitWords(name: LimitName, limit: number | null): string {
  return limit === null ? `no limit of ${WORDS[name]}` : `${limit} ${WORDS[name]}`;
}

function finite(value: number): number | null {
  return Number.isFinite(value) ? value : null;
}

interface Estimate {
  readonly tokens: number;
  /** Null where the price of the model is not known. */
  readonly estimatedUsd: number | null;
}

/** What embedding this many characters takes; an estimate, since the service does not say what it counted. */
export function estimate({ usdPerMillionTokens }: Pick<Embedder, 'usdPerMillionTokens'>, characters: number): Estimate {
  const tokens = Math.ceil(characters / CHARACTERS_A_TOKEN);
  if (usdPerMillionTokens === null) return { tokens, estimatedUsd: null };
  return { tokens, estimatedUsd: Number(((tokens * usdPerMillionTokens) / 1_000_000).toFixed(6)) };
}
