import { once } from 'node:events';
import { Agent, request } from 'node:http';
import { parseArgs } from 'node:util';

/**
 * Another client of the database, the application say: `--url URL --token TOKEN --per-second N` commands, sent evenly. Prints a
 * line when it has begun and, once it is stopped (SIGTERM), how many requests it sent and how many of them were refused.
 */
const { values } = parseArgs({
  options: {
    url: { type: 'string', default: '' },
    token: { type: 'string', default: '' },
    'per-second': { type: 'string', default: '0' },
  },
});
const EVERY_MS = 20;
const agent = new Agent({ keepAlive: true });
const commands = Math.round((Number(values['per-second']) * EVERY_MS) / 1000);
const body = JSON.stringify(Array.from({ length: commands }, () => ['PING']));
const counts = { commands: 0, refused: 0, milliseconds: 0 };
const began = performance.now();

async function send() {
  const outgoing = request(`${values.url}/pipeline`, {
    method: 'POST',
    agent,
    headers: { authorization: `Bearer ${values.token}`, 'content-type': 'application/json' },
  });
  outgoing.end(body);
  const [response] = await once(outgoing, 'response');
  response.resume();
  counts.commands += commands;
  if (response.statusCode === 429) counts.refused += 1;
}

const timer = setInterval(() => void send().catch(() => process.exit(1)), EVERY_MS);
process.stdout.write('{"ready":true}\n');
process.once('SIGTERM', () => {
  clearInterval(timer);
  counts.milliseconds = performance.now() - began;
  process.stdout.write(`${JSON.stringify(counts)}\n`, () => process.exit(0));
});
