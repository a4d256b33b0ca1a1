import { once } from 'node:events';
import { Agent, request } from 'node:http';
import { parseArgs } from 'node:util';
import { fullApp } from '../../../dist/lib/app/app.js';
import { environment } from '../../../dist/lib/app/config.js';
import { textOf } from '../../../dist/lib/restore/write/batch.js';
import { itemCommands, valueCommands } from '../../../dist/lib/restore/write/commands.js';
import { BATCH_BYTES, BATCH_KEYS, sizeOf, toArgument } from '../../../dist/lib/restore/write/size.js';
import { encodeBatch } from '../../../dist/lib/services/upstash-redis/arguments.js';
import { loadManifest } from '../../../dist/lib/snapshot/manifest.js';
import { sourceBatches } from '../../../dist/lib/snapshot/source-records.js';
import { processorSeconds } from './peak-memory.js';

/**
 * The least that the format demands of writing the snapshot `--id ID` into the database of the environment: its parts are read and
 * unpacked, `--parts N` at a time, their values become commands, and these go out `--in-flight N` for each part, with the program's
 * own functions for these. No scope, no expiry, nothing staged, no lease, and what the replies say is thrown away. Prints what it
 * took as one line of JSON.
 */
const { values } = parseArgs({
  options: {
    id: { type: 'string', default: '' },
    parts: { type: 'string', default: '1' },
    'in-flight': { type: 'string', default: '1' },
  },
});
const env = environment();
const { ports } = fullApp(env);
const found = await loadManifest(ports.store, values.id);
if (found === null) throw new Error(`no snapshot ${values.id}`);
const { manifest } = found;
const inFlight = Number(values['in-flight']);
const agent = new Agent({ keepAlive: true });
let requests = 0;

async function send(/** @type {import('../../../dist/lib/ports/redis.js').SentCommand[]} */ commands) {
  const { body } = encodeBatch(commands);
  requests += 1;
  const outgoing = request(`${env['UPSTASH_REDIS_REST_URL']}/multi-exec`, {
    method: 'POST',
    agent,
    headers: {
      authorization: `Bearer ${env['UPSTASH_REDIS_REST_TOKEN']}`,
      'content-type': 'application/json',
      'content-length': body.length,
      'upstash-encoding': 'base64',
    },
  });
  outgoing.end(body);
  const [response] = await once(outgoing, 'response');
  response.resume();
  await once(response, 'end');
}

async function writePart(/** @type {number} */ part) {
  /** @type {Set<Promise<void>>} */
  const running = new Set();
  /** @type {import('../../../dist/lib/ports/redis.js').SentCommand[]} */
  let commands = [];
  let [bytes, keys] = [0, 0];
  const flush = async () => {
    while (running.size >= inFlight) await Promise.race(running);
    const sent = send(commands).finally(() => running.delete(sent));
    running.add(sent);
    commands = [];
    bytes = keys = 0;
  };
  const add = async (
    /** @type {import('../../../dist/lib/snapshot/record.js').RecordLine} */ line,
    /** @type {import('../../../dist/lib/snapshot/stored-line.js').StoredLine | undefined} */ stored,
  ) => {
    const size = stored?.bytes ?? sizeOf(line).wire;
    if (keys > 0 && bytes + size > BATCH_BYTES) await flush();
    const key = toArgument(line.k);
    const item = { line, key, bytes: size, args: stored?.args ?? null };
    if (line.t === 'string') commands.push(['SET', key, textOf(item)]);
    else if (stored === undefined) for (const { command } of valueCommands(key, line)) commands.push(command);
    else commands.push(...itemCommands(key, item));
    bytes += size;
    keys += 1;
    if (keys >= BATCH_KEYS) await flush();
  };
  for await (const batch of sourceBatches(ports, manifest, part, 'stored')) {
    for (const { first, rest, stored } of batch) {
      await (stored === undefined || stored.elements <= 1000 ? add(first, stored) : add(first, undefined));
      for await (const line of rest ?? []) await add(line, undefined);
    }
  }
  if (keys > 0) await flush();
  await Promise.all(running);
}

const [began, cpuBefore] = [performance.now(), processorSeconds()];
let next = 0;
const workers = Array.from({ length: Number(values.parts) }, async () => {
  for (let part = next++; part < manifest.parts.length; part = next++) await writePart(part);
});
await Promise.all(workers);
const [totalMs, cpuSeconds] = [performance.now() - began, processorSeconds() - cpuBefore];
agent.destroy();
process.stdout.write(`${JSON.stringify({ requests, totalMs, cpuSeconds })}\n`, () => process.exit(0));
