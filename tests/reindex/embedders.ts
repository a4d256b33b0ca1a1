import type { Embedder } from '../../lib/ports/embedder.js';
import { systemClock } from '../../lib/services/clock.js';
import { geminiEmbedder } from '../../lib/services/gemini/embedder.js';
import { startGemini, type Gemini, type GeminiOptions } from '../../dev/gemini/index.js';

export const FIRST = 'gemini-embedding-001';
export const SECOND = 'gemini-embedding-2';

/** The real adapter with a separate Gemini stand-in for each embedder; `stop` ends all of them. */
export function embedders() {
  const started: Gemini[] = [];
  return {
    async of(options: GeminiOptions, model = FIRST): Promise<{ embedder: Embedder; gemini: Gemini }> {
      const gemini = await startGemini({ vectors: 'hash', models: [FIRST, SECOND], ...options });
      started.push(gemini);
      const retry = { attempts: 2, baseMs: 1, capMs: 5 };
      const at = { apiKey: gemini.apiKey, baseUrl: gemini.url };
      return { embedder: geminiEmbedder({ ...at, model, clock: systemClock(), retry }), gemini };
    },
    async stop(): Promise<void> {
      for (const gemini of started.splice(0)) await gemini.stop();
    },
  };
}
