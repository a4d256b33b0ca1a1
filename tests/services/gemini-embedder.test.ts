import { systemClock } from '../../lib/services/clock.js';
import { geminiEmbedder } from '../../lib/services/gemini/embedder.js';
import { environment } from '../../lib/app/config.js';
import { startGemini } from '../../dev/gemini/index.js';
import { embedderContract } from '../contracts/embedder.js';

embedderContract('Gemini adapter over the stand-in and its model', async () => {
  const standIn = await startGemini();
  return {
    embedder: geminiEmbedder({ apiKey: standIn.apiKey, baseUrl: `${standIn.url}/`, clock: systemClock() }),
    close: () => standIn.stop(),
  };
});

const apiKey = environment()['GEMINI_API_KEY'] ?? '';
if (apiKey !== '') {
  embedderContract('Gemini adapter over the real service', () =>
    Promise.resolve({
      embedder: geminiEmbedder({ apiKey, clock: systemClock() }),
      close: () => Promise.resolve(),
    }),
  );
}
