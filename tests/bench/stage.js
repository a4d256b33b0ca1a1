import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { Redis } from 'ioredis';
import { startRedisServer } from '../../dist/dev/redis-server.js';
import { built, program, runNode, startNode } from './processes.js';

/** How a replica asks for the data matters to redis-cli alone: without this the server waits 5 s for more replicas. */
const REDIS_ARGS = ['--repl-diskless-sync-delay', '0'];

/**
 * @typedef {Readonly<Record<string, number>>} Data How much of what: the options of programs/load-data.js.
 * @typedef {object} Stage Everything that a measurement needs, each server in a separate process.
 * @property {number} keys
 * @property {string} redisUrl
 * @property {string} url of the REST endpoint
 * @property {string} token
 * @property {string} folder a temporary one
 * @property {(name: string) => Record<string, string>} variables of the environment, for a store of that name
 * @property {() => Promise<void>} empty removes all keys
 * @property {() => Promise<void>} stop also removes the folder
 */

/**
 * A loaded redis-server, and the stand-in for Upstash's REST protocol in front of it.
 * @param {Data} data
 * @param {number} latencyMs
 * @param {number | null} [commandsPerSecond] what the database lets pass; null: all
 * @returns {Promise<Stage>}
 */
export async function setStage(data, latencyMs, commandsPerSecond = null) {
  const folder = await mkdtemp(join(tmpdir(), 'soulcaster-bench-'));
  const token = randomBytes(16).toString('hex');
  /** @type {(() => Promise<void>)[]} */
  const stops = [() => rm(folder, { recursive: true, force: true })];
  const stop = async () => {
    for (const end of stops.splice(0).reverse()) await end();
  };
  try {
    const redis = await startRedisServer({ args: REDIS_ARGS });
    stops.push(() => redis.stop());
    const amounts = Object.entries(data).flatMap(([name, amount]) => [`--${name}`, String(amount)]);
    const { keys } = await runNode([program('load-data'), '--redis', redis.url, ...amounts]);
    const limit = commandsPerSecond === null ? [] : ['--commands-per-second', String(commandsPerSecond)];
    const standIn = await startNode([
      built('dev/upstash-redis/main'),
      '--redis',
      redis.url,
      '--token',
      token,
      ...limit,
    ]);
    stops.push(() => standIn.stop());
    const url = latencyMs > 0 ? await slowDown(standIn.ready.url, latencyMs, stops) : standIn.ready.url;
    const variables = (/** @type {string} */ name) => ({
      UPSTASH_REDIS_REST_URL: url,
      UPSTASH_REDIS_REST_TOKEN: token,
      BACKUP_STORE: pathToFileURL(join(folder, name)).href,
      QSTASH_TOKEN: '',
      BACKUP_COMMANDS_PER_SECOND: '0',
    });
    return { keys, redisUrl: redis.url, url, token, folder, variables, empty: () => emptyOut(redis.url), stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/**
 * @param {string} url
 * @param {number} latencyMs
 * @param {(() => Promise<void>)[]} stops
 */
async function slowDown(url, latencyMs, stops) {
  const { host } = new URL(url);
  const network = await startNode([program('slow-network'), '--target', host, '--latency', String(latencyMs)]);
  stops.push(() => network.stop());
  return `http://127.0.0.1:${network.ready.port}`;
}

/** @param {string} redisUrl */
async function emptyOut(redisUrl) {
  const redis = new Redis(redisUrl, { protocol: 2 });
  await redis.flushall('SYNC');
  redis.disconnect();
}
