import { parseArgs } from 'node:util';
import { Redis } from 'ioredis';

/** Gives every key of the database `--redis URL` another expiry: then no key is as it was, and none has to be read. */
const LATE = 5_000_000_000_000;

const { values } = parseArgs({ options: { redis: { type: 'string', default: '' } } });
const redis = new Redis(values.redis, { protocol: 2 });
let keys = 0;
let cursor = '0';
do {
  const [next, names] = await redis.scanBuffer(cursor, 'COUNT', 1000);
  const pipeline = redis.pipeline();
  for (const name of names) pipeline.pexpireat(name, LATE);
  await pipeline.exec();
  keys += names.length;
  cursor = next.toString();
} while (cursor !== '0');
redis.disconnect();
process.stdout.write(`${JSON.stringify({ keys })}\n`);
