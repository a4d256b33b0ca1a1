import { parseArgs } from 'node:util';
import { startGemini } from './index.js';

const { values } = parseArgs({
  options: {
    port: { type: 'string' },
    'api-key': { type: 'string' },
    vectors: { type: 'string' },
    'delay-ms': { type: 'string' },
    'texts-per-minute': { type: 'string' },
    speed: { type: 'string' },
  },
});

const gemini = await startGemini({
  ...(values['api-key'] === undefined ? {} : { apiKey: values['api-key'] }),
  ...(values.port === undefined ? {} : { port: Number(values.port) }),
  ...(values['delay-ms'] === undefined ? {} : { delayMs: Number(values['delay-ms']) }),
  ...(values['texts-per-minute'] === undefined ? {} : { textsPerMinute: Number(values['texts-per-minute']) }),
  ...(values.speed === undefined ? {} : { speed: Number(values.speed) }),
  vectors: values.vectors === 'hash' ? 'hash' : 'model',
});
process.stdout.write(`${JSON.stringify({ url: gemini.url, apiKey: gemini.apiKey })}\n`);

for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => void gemini.stop());
