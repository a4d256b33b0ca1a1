import { parseArgs } from 'node:util';
import { startUpstashRedis } from './index.js';

/**
 * The stand-in in a separate process: `node main.js --redis redis://127.0.0.1:6379 --token T [--port P]
 * [--read-only-token T] [--limit BYTES] [--commands-per-second N]`. Prints `{"url":"http://..."}` when it is ready; SIGTERM or SIGINT stops it.
 */
const { values } = parseArgs({
  options: {
    redis: { type: 'string' },
    token: { type: 'string' },
    port: { type: 'string', default: '0' },
    'read-only-token': { type: 'string' },
    limit: { type: 'string' },
    'commands-per-second': { type: 'string' },
  },
});

if (values.redis === undefined || values.token === undefined) {
  process.stderr.write('usage: main.js --redis URL --token TOKEN [--port PORT]\n');
  process.exit(2);
}

const standIn = await startUpstashRedis({
  redisUrl: values.redis,
  token: values.token,
  port: Number(values.port),
  ...(values['read-only-token'] === undefined ? {} : { readOnlyToken: values['read-only-token'] }),
  ...(values.limit === undefined ? {} : { requestLimitBytes: Number(values.limit) }),
  ...(values['commands-per-second'] === undefined ? {} : { commandsPerSecond: Number(values['commands-per-second']) }),
});
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => void standIn.stop());
process.stdout.write(`${JSON.stringify({ url: standIn.url })}\n`);
