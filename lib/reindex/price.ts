/** gemini-embedding-001 (ai.google.dev/gemini-api/docs/pricing, November 2026). */
const USD_PER_TOKEN = 0.15 / 1_000_000;
/** What Google counts on for English (ai.google.dev/gemini-api/docs/tokens). */
const CHARACTERS_A_TOKEN = 4;

/** What embedding so many characters comes to; an estimate, since the service does not say what it counted. */
export function estimate(characters: number): { readonly tokens: number; readonly estimatedUsd: number } {
  const tokens = Math.ceil(characters / CHARACTERS_A_TOKEN);
  return { tokens, estimatedUsd: Number((tokens * USD_PER_TOKEN).toFixed(6)) };
}
