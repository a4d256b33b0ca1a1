import { readFile, writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { Redis } from 'ioredis';
import { processorSeconds } from './peak-memory.js';

/**
 * How other programs take a copy of a database, `--redis URL --way WAY --file FILE`, over its own protocol: what they take and
 * how many commands, as one line of JSON.
 *
 * - `commands`: as upstash-redis-dump does. SCAN; for the keys of a reply their types, values and times to live, a pipeline each.
 * - `dump`: SCAN; DUMP and PTTL of the keys of a reply in a pipeline.
 * - `restore`: RESTORE of what `dump` has written, in pipelines.
 */
const { values } = parseArgs({
  options: {
    redis: { type: 'string', default: '' },
    way: { type: 'string', default: '' },
    file: { type: 'string', default: '' },
  },
});
const PAGE = 1000;
const redis = new Redis(values.redis, { protocol: 2 });
let commands = 0;

/** @type {Readonly<Record<string, (key: Buffer) => [string, ...(string | Buffer | number)[]]>>} */
const READS = {
  string: (key) => ['GET', key],
  hash: (key) => ['HGETALL', key],
  list: (key) => ['LRANGE', key, 0, -1],
  set: (key) => ['SMEMBERS', key],
  zset: (key) => ['ZRANGE', key, 0, -1, 'WITHSCORES'],
};

async function run(/** @type {readonly [string, ...(string | Buffer | number)[]][]} */ batch) {
  const pipeline = redis.pipeline();
  for (const [name, ...args] of batch) pipeline.callBuffer(name, ...args);
  commands += batch.length;
  const replies = (await pipeline.exec()) ?? [];
  return replies.map(([error, reply]) => {
    if (error !== null) throw error;
    return reply;
  });
}

async function* pages() {
  let cursor = '0';
  do {
    const [[next, keys]] = /** @type {[[Buffer, Buffer[]]]} */ (await run([['SCAN', cursor, 'COUNT', PAGE]]));
    cursor = next.toString();
    if (keys.length > 0) yield keys;
  } while (cursor !== '0');
}

/** @param {unknown} value */
function bytesIn(value) {
  if (Array.isArray(value)) return value.reduce((sum, item) => sum + bytesIn(item), 0);
  return Buffer.isBuffer(value) ? value.length : 8;
}

/** @type {Record<string, () => Promise<{keys: number, bytes: number}>>} */
const WAYS = {
  async commands() {
    /** @type {unknown[]} */
    const taken = [];
    let [keys, bytes] = [0, 0];
    for await (const page of pages()) {
      const types = /** @type {Buffer[]} */ (await run(page.map((key) => ['TYPE', key])));
      const readable = page.filter((_, at) => READS[String(types[at])] !== undefined);
      const kinds = types.map(String).filter((type) => READS[type] !== undefined);
      const found = await run(readable.map((key, at) => READS[kinds[at] ?? '']?.(key) ?? ['GET', key]));
      await run(readable.map((key) => ['TTL', key]));
      keys += readable.length;
      bytes += bytesIn(found);
      taken.push(found);
    }
    await writeFile(values.file, taken.flat(4).map(String).join('\n'));
    return { keys, bytes };
  },
  async dump() {
    /** @type {[string, string, number][]} */
    const taken = [];
    let bytes = 0;
    for await (const page of pages()) {
      const found = await run(
        page.flatMap((key) => [
          ['DUMP', key],
          ['PTTL', key],
        ]),
      );
      for (const [at, key] of page.entries()) {
        const dump = /** @type {Buffer} */ (found[2 * at]);
        bytes += dump.length;
        taken.push([key.toString('base64'), dump.toString('base64'), Math.max(0, Number(found[2 * at + 1]))]);
      }
    }
    await writeFile(values.file, JSON.stringify(taken));
    return { keys: taken.length, bytes };
  },
  async restore() {
    /** @type {[string, string, number][]} */
    const taken = JSON.parse(await readFile(values.file, 'utf8'));
    let bytes = 0;
    for (let from = 0; from < taken.length; from += PAGE) {
      const page = taken.slice(from, from + PAGE);
      await run(
        page.map(([key, dump, ttl]) => {
          bytes += dump.length * 0.75;
          return ['RESTORE', Buffer.from(key, 'base64'), ttl, Buffer.from(dump, 'base64'), 'REPLACE'];
        }),
      );
    }
    return { keys: taken.length, bytes };
  },
};

await redis.ping();
const [began, cpuBefore] = [performance.now(), processorSeconds()];
const done = await WAYS[values.way]?.();
const [totalMs, cpuSeconds] = [performance.now() - began, processorSeconds() - cpuBefore];
redis.disconnect();
process.stdout.write(`${JSON.stringify({ ...done, commands, totalMs, cpuSeconds })}\n`);
