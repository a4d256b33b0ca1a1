import { AppError, toAppError } from '../errors.js';
import type { Clock, Embedder, Log, ObjectStore, RedisPort, VectorIndex } from '../ports/index.js';
import type { Attempt, RunRecord } from '../runs/model.js';
import { isSameRecipe, type Recipe, TEXT_RULE } from '../soulcaster/index-models.js';
import { inputOf } from './checkpoint.js';
import type { Beside, ReindexInput } from './model.js';

export interface ReindexPorts {
  readonly clock: Clock;
  readonly log: Log;
  readonly redis: RedisPort;
  readonly store: ObjectStore;
  readonly vectors: VectorIndex;
  readonly embedder: Embedder;
  /** Model, dimension and text rule of new vectors, unless a run has another recipe. */
  readonly recipe: Recipe;
  readonly elsewhere: Elsewhere;
}

/** Indexes and models other than those configured for the application. Each is connected once. */
export interface Elsewhere {
  /** Throws `config` if there is no such index. */
  indexOf(beside: Beside): VectorIndex;
  embedderOf(recipe: Recipe): Embedder;
}

export interface ReindexSettings {
  /** Of the index and of every vector; by the run's recipe, like `cutCodePoints`. */
  readonly dimensions: number;
  /** How many code points of a body are embedded; 0: all. */
  readonly cutCodePoints: number;
  /** How many batches one attempt does at a time itself; 0 publishes all to the queue. */
  readonly inline: number;
  /** How many batches the queue may deliver at a time. */
  readonly parallelism: number;
  /** Vectors that the index accepts per day; null: not known. Infinity: no limit. */
  readonly updatesPerDay: number | null;
  /** Whether the process waits for a rate limit itself, rather than leaving the retry to the queue. */
  readonly patience: boolean;
}

/** Items per batch: as many as a call accepts, or fewer if a rate limit or the daily quota is lower. */
export function batchSize({ limits, maxBatch, ...embedder }: Embedder, settings: Cut): number {
  const { textsPerDay, textsPerMinute, tokensPerMinute } = limits;
  const texts = Math.min(textsPerMinute ?? maxBatch, textsPerDay ?? maxBatch);
  const byTokens =
    tokensPerMinute === null ? maxBatch : Math.floor(tokensPerMinute / estimateTextTokens(embedder, settings));
  return Math.max(1, Math.min(maxBatch, texts, byTokens));
}

/** Batches that may begin per minute; null if no rate limit is known. */
export function batchesPerMinute(embedder: Embedder, settings: Cut): number | null {
  const { textsPerMinute, tokensPerMinute } = embedder.limits;
  if (textsPerMinute === null && tokensPerMinute === null) return null;
  const size = batchSize(embedder, settings);
  const byTokens = (tokensPerMinute ?? Infinity) / (size * estimateTextTokens(embedder, settings));
  return Math.max(1, Math.floor(Math.min((textsPerMinute ?? Infinity) / size, byTokens)));
}

/** Google's estimate for English (ai.google.dev/gemini-api/docs/tokens). */
export const CHARACTERS_PER_TOKEN = 4;
/** Typical characters of a title. */
const TITLE = 100;
/** Typical characters of a body that is not cut; longer bodies lead to smaller calls. */
const USUAL_BODY = 1_900;

type Cut = Pick<ReindexSettings, 'cutCodePoints'>;

/** Estimated tokens of a long text: sizes batches and forecasts before any text has been read. */
export function estimateTextTokens({ maxTextTokens }: Pick<Embedder, 'maxTextTokens'>, { cutCodePoints }: Cut): number {
  const body = cutCodePoints === 0 ? USUAL_BODY : cutCodePoints;
  return Math.min(maxTextTokens, Math.ceil((TITLE + body) / CHARACTERS_PER_TOKEN));
}

/** Throws the reason of an aborted signal: nothing may be written any more. */
export function throwIfAborted(signal: AbortSignal): void {
  if (signal.aborted) throw toAppError(signal.reason);
}

/** What one run works with: its index, its embedder, its dimension and its text limit. */
export interface RunContext {
  readonly ports: ReindexPorts;
  readonly settings: ReindexSettings;
}

/** What a step of a run works with. */
export interface StepContext extends RunContext {
  readonly attempt: Attempt;
}

export function contextOfRun(
  ports: ReindexPorts,
  settings: ReindexSettings,
  run: Pick<RunRecord, 'input'>,
): RunContext {
  const own = portsFor(ports, inputOf(run));
  const { cutCodePoints, dimensions } = own.recipe;
  return { ports: own, settings: { ...settings, cutCodePoints, dimensions } };
}

/**
 * The index and the embedder of a run, by its input: a variable that changes during the run must not mix vectors of two
 * models. Throws `vector-mismatch` for a run of a version that makes texts by another rule.
 */
export function portsFor(
  ports: ReindexPorts,
  { beside, recipe: given }: Pick<ReindexInput, 'beside' | 'recipe'>,
): ReindexPorts {
  const recipe = given ?? ports.recipe;
  if (recipe.textRule !== TEXT_RULE) {
    throw new AppError(
      'vector-mismatch',
      'The run was started by a version that builds the texts of items differently',
      {
        hint: 'Start the re-index again. The index was left unchanged.',
      },
    );
  }
  const { model, dimensions } = ports.embedder;
  const isOwn = isSameRecipe({ ...recipe, model, dimensions }, recipe);
  return {
    ...ports,
    recipe,
    embedder: isOwn ? ports.embedder : ports.elsewhere.embedderOf(recipe),
    vectors: beside === null ? ports.vectors : ports.elsewhere.indexOf(beside),
  };
}
