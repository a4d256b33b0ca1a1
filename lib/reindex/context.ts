import { toAppError } from '../errors.js';
import type { Recipe } from '../soulcaster/index-models.js';
import type { Beside } from './model.js';
import type { Clock, Embedder, Log, ObjectStore, RedisPort, VectorIndex } from '../ports/index.js';

export interface ReindexPorts {
  readonly clock: Clock;
  readonly log: Log;
  readonly redis: RedisPort;
  readonly store: ObjectStore;
  readonly vectors: VectorIndex;
  readonly embedder: Embedder;
  /** What vectors are made with, unless a run says otherwise. */
  readonly recipe: Recipe;
  readonly elsewhere: Elsewhere;
}

/** Other indexes and models than those that are configured for the application. Each is connected once. */
export interface Elsewhere {
  /** Throws `config` where there is no such index. */
  indexOf(beside: Beside): VectorIndex;
  embedderOf(recipe: Recipe): Embedder;
}

export interface ReindexSettings {
  /** Of the index and of every vector. By the run's recipe, as the cut is. */
  readonly dimensions: number;
  /** Code points of a body that are embedded; 0: all of them. */
  readonly cutCodePoints: number;
  /** How many batches one attempt works on at a time itself; 0 sends all over the queue. */
  readonly inline: number;
  /** How many batches the queue may deliver at a time. */
  readonly parallelism: number;
  /** Vectors that the index takes in a day; null: not known. Infinity: no limit. */
  readonly updatesPerDay: number | null;
  /** Whether a rate limit is slept over here, rather than answered so that the queue comes again. */
  readonly patience: boolean;
}

/** Items of a batch: all that a call takes, unless a rate limit or a day's quota is below that. */
export function batchSize({ limits, maxBatch, ...embedder }: Embedder, settings: Cut): number {
  const { textsPerDay, textsPerMinute, tokensPerMinute } = limits;
  const texts = Math.min(textsPerMinute ?? maxBatch, textsPerDay ?? maxBatch);
  const byTokens = tokensPerMinute === null ? maxBatch : Math.floor(tokensPerMinute / textTokens(embedder, settings));
  return Math.max(1, Math.min(maxBatch, texts, byTokens));
}

/** Batches that may begin within a minute; null where no rate limit is known. */
export function batchesPerMinute(embedder: Embedder, settings: Cut): number | null {
  const { textsPerMinute, tokensPerMinute } = embedder.limits;
  if (textsPerMinute === null && tokensPerMinute === null) return null;
  const size = batchSize(embedder, settings);
  const byTokens = (tokensPerMinute ?? Infinity) / (size * textTokens(embedder, settings));
  return Math.max(1, Math.floor(Math.min((textsPerMinute ?? Infinity) / size, byTokens)));
}

/** What Google counts on for English (ai.google.dev/gemini-api/docs/tokens). */
export const CHARACTERS_A_TOKEN = 4;
/** A title has about this many characters. */
const TITLE = 100;
/** Of a body that is not cut; a longer one is met by smaller calls. */
const USUAL_BODY = 1_900;

type Cut = Pick<ReindexSettings, 'cutCodePoints'>;

/** Tokens of a long text, by which calls are cut and time is reckoned before a text has been read. */
export function textTokens({ maxTextTokens }: Pick<Embedder, 'maxTextTokens'>, { cutCodePoints }: Cut): number {
  const body = cutCodePoints === 0 ? USUAL_BODY : cutCodePoints;
  return Math.min(maxTextTokens, Math.ceil((TITLE + body) / CHARACTERS_A_TOKEN));
}

/** Throws what the signal was aborted with: nothing may be written any more. */
export function throwIfAborted(signal: AbortSignal): void {
  if (signal.aborted) throw toAppError(signal.reason);
}
