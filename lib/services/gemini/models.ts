/** What is fixed about a model of Gemini's. */
interface ModelFacts {
  /** Tokens of one text that it reads. */
  readonly maxTextTokens: number;
  /** US dollars for a million tokens; null: not known. */
  readonly usdPerMillionTokens: number | null;
}

/** Most texts in one call, for every model (https://ai.google.dev/gemini-api/docs/embeddings). */
export const MAX_TEXTS = 100;
/** Of every model. */
export const DIMENSIONS = { least: 128, most: 3072 } as const;

const SECOND: ModelFacts = { maxTextTokens: 8_192, usdPerMillionTokens: 0.2 };

/**
 * The models that are known; adding one is a line. Sources: ai.google.dev/gemini-api/docs/embeddings and /pricing,
 * November 2026. Both take one content for each text in `batchEmbedContents` and give one vector for each; several parts in
 * one content would be one vector. Neither is asked with a task type: the first takes it as a field, the second as words
 * in front of the text, and Soulcaster gives none. Vectors of the first are not of length 1 below 3,072 dimensions.
 */
const MODELS: Readonly<Record<string, ModelFacts>> = {
  'gemini-embedding-001': { maxTextTokens: 2_048, usdPerMillionTokens: 0.15 },
  'gemini-embedding-2': SECOND,
  'gemini-embedding-2-preview': SECOND,
};

/** One that is not known reads at least as much as the first, at a price that is not known. */
const UNKNOWN: ModelFacts = { maxTextTokens: 2_048, usdPerMillionTokens: null };

export function factsOf(model: string): ModelFacts {
  return Object.hasOwn(MODELS, model) ? (MODELS[model] ?? UNKNOWN) : UNKNOWN;
}
