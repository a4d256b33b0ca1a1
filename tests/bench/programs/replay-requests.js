import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { Agent, request } from 'node:http';
import { parseArgs } from 'node:util';
import { leastWork } from './least-work.js';
import { peakMemory, processorSeconds } from './peak-memory.js';

/**
 * Sends recorded requests again, in their order and this many at a time, and throws the replies away as they come:
 * `--file FILE --url URL --token TOKEN --in-flight N`. It is what no reader of these replies can be faster than. With
 * `--lines` the replies become compressed lines, with the least work that takes.
 */
const { values } = parseArgs({
  options: {
    file: { type: 'string', default: '' },
    url: { type: 'string', default: '' },
    token: { type: 'string', default: '' },
    'in-flight': { type: 'string', default: '1' },
    lines: { type: 'boolean', default: false },
  },
});
const inFlight = Number(values['in-flight']);
const agent = new Agent({ keepAlive: true, maxSockets: inFlight });
const lines = (await readFile(values.file, 'utf8')).trimEnd().split('\n');
const requests = lines.map((line) => {
  const at = line.indexOf('\t');
  const body = Buffer.from(line.slice(at + 1));
  return { path: line.slice(0, at), body, commands: values.lines ? JSON.parse(String(body)) : [] };
});
const work = values.lines ? leastWork() : null;
let receivedBytes = 0;

async function send(/** @type {{path: string, body: Buffer, commands: any[]}} */ { path, body, commands }) {
  const outgoing = request(values.url + path, {
    method: 'POST',
    agent,
    headers: {
      authorization: `Bearer ${values.token}`,
      'content-type': 'application/json',
      'content-length': body.length,
      'upstash-encoding': 'base64',
    },
  });
  outgoing.end(body);
  const [response] = await once(outgoing, 'response');
  /** @type {Buffer[]} */
  const chunks = [];
  response.on('data', (/** @type {Buffer} */ chunk) => {
    receivedBytes += chunk.length;
    if (work !== null) chunks.push(chunk);
  });
  await once(response, 'end');
  await work?.add(commands, Buffer.concat(chunks));
}

let next = 0;
async function sendInTurn() {
  for (let item = requests[next++]; item !== undefined; item = requests[next++]) await send(item);
}

const cpuBefore = processorSeconds();
const before = performance.now();
await Promise.all(Array.from({ length: inFlight }, sendInTurn));
const plainBytes = (await work?.end()) ?? 0;
const totalMs = performance.now() - before;
const cpuSeconds = processorSeconds() - cpuBefore;
agent.destroy();
const result = {
  requests: requests.length,
  receivedBytes,
  plainBytes,
  totalMs,
  cpuSeconds,
  peakBytes: await peakMemory(),
};
process.stdout.write(`${JSON.stringify(result)}\n`);
