import { parseArgs } from 'node:util';
import { startUpstashVector } from './index.js';

/**
 * The stand-in in a separate process: `node main.js [--port P] [--token T] [--dimensions N] [--index-delay MS]`.
 * Prints `{"url":"http://...","token":"..."}` when it is ready; SIGTERM or SIGINT stops it.
 */
const { values } = parseArgs({
  options: {
    port: { type: 'string' },
    token: { type: 'string' },
    dimensions: { type: 'string' },
    'index-delay': { type: 'string' },
  },
});

const standIn = await startUpstashVector({
  ...(values.port === undefined ? {} : { port: Number(values.port) }),
  ...(values.token === undefined ? {} : { token: values.token }),
  ...(values.dimensions === undefined ? {} : { dimensions: Number(values.dimensions) }),
  ...(values['index-delay'] === undefined ? {} : { indexDelayMs: Number(values['index-delay']) }),
});
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => void standIn.stop());
process.stdout.write(`${JSON.stringify({ url: standIn.url, token: standIn.token })}\n`);
