import type { Embedder } from '../ports/embedder.js';
import { CHARACTERS_A_TOKEN } from './context.js';

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
