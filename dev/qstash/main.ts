import { parseArgs } from 'node:util';
import { startQstash } from './index.js';

const { values } = parseArgs({
  options: {
    port: { type: 'string' },
    token: { type: 'string' },
    speed: { type: 'string' },
    'current-signing-key': { type: 'string' },
    'next-signing-key': { type: 'string' },
  },
});
const [current, next] = [values['current-signing-key'], values['next-signing-key']];

const qstash = await startQstash({
  timedSchedules: true,
  ...(values.port === undefined ? {} : { port: Number(values.port) }),
  ...(values.token === undefined ? {} : { token: values.token }),
  ...(values.speed === undefined ? {} : { speed: Number(values.speed) }),
  ...(current === undefined || next === undefined ? {} : { signingKeys: { current, next } }),
});
const { url, token, currentSigningKey, nextSigningKey } = qstash;
process.stdout.write(`${JSON.stringify({ url, token, currentSigningKey, nextSigningKey })}\n`);

for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => void qstash.stop());
