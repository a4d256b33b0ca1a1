import { randomUUID } from 'node:crypto';
import type { RedisPort, RedisReply, RedisValue } from '../../lib/ports/redis.js';

export interface OpenRedis {
  readonly redis: RedisPort;
  readonly close: () => Promise<void>;
}

/** A port under test, with unique keys: the suite may run against a database that is in use. */
export interface Fixture extends OpenRedis {
  readonly prefix: string;
  readonly key: (suffix: string) => string;
  readonly binaryKey: () => Buffer;
}

/** Defines one test of the suite, which gets the fixture. */
export type Define = (title: string, run: (fixture: Fixture) => Promise<void>) => void;

/** Bytes that are not valid UTF-8, including a NUL, both quotes and a line end. */
export const NOT_UTF8 = Buffer.from([0xff, 0x00, 0xfe, 0x27, 0x22, 0x0d, 0x0a, 0xc3, 0x28]);

export function toFixture(opened: OpenRedis): Fixture {
  const prefix = `contract:${randomUUID()}:`;
  let binaryKeys = 0;
  return {
    redis: opened.redis,
    close: opened.close,
    prefix,
    key: (suffix) => prefix + suffix,
    binaryKey: () => Buffer.concat([Buffer.from(prefix), Buffer.from([0xff, 0xfe, binaryKeys++])]),
  };
}

export async function removeKeys({ redis, prefix }: Fixture): Promise<void> {
  const keys = await pages(redis, `${prefix}*`);
  if (keys.length > 0) await redis.pipeline(keys.map(([key]) => ['UNLINK', key]));
}

export async function scan(redis: RedisPort, pattern: string): Promise<Map<string, string>> {
  return new Map((await pages(redis, pattern)).map(([key, type]) => [key.toString(), type]));
}

async function pages(redis: RedisPort, pattern: string): Promise<[Buffer, string][]> {
  const found: [Buffer, string][] = [];
  let cursor = '0';
  do {
    const [reply] = await redis.pipeline([['SCAN', cursor, 'MATCH', pattern, 'COUNT', 100, 'WITHTYPE']]);
    const [next, flat] = valueOf(reply) as [Buffer, Buffer[]];
    cursor = next.toString();
    for (let index = 0; index < flat.length; index += 2) {
      found.push([flat[index] as Buffer, String(flat[index + 1])]);
    }
  } while (cursor !== '0');
  return found;
}

export function valueOf(reply: RedisReply | undefined): RedisValue {
  if (reply === undefined || 'error' in reply) throw new Error(`no value: ${reply?.error ?? 'no reply'}`);
  return reply.value;
}

type Plain = string | number | bigint | null | Plain[];

/** The value with its bytes as text, for readable assertions. */
export function plain(reply: RedisReply | undefined): Plain {
  const toPlain = (value: RedisValue): Plain => {
    if (Buffer.isBuffer(value)) return value.toString('utf8');
    return Array.isArray(value) ? value.map(toPlain) : value;
  };
  return toPlain(valueOf(reply));
}

export function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}
