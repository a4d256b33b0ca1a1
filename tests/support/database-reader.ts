import type { Redis } from 'ioredis';
import { batch, buffersOf, call, listOf, numberOf, openDatabase, textOf, type Command } from './redis-calls.js';
import { valueDigest } from './value-digest.js';
import { addFieldExpiries, addPaged, addReply, isSmall, wholeValue } from './value-reader.js';

/** One key, whichever side it was read from. */
export interface KeyRecord {
  readonly key: Buffer;
  /** string, hash, list, set, zset, stream or json. */
  readonly type: string;
  /** Milliseconds since the epoch; null for a key that stays. */
  readonly expiresAt: number | null;
  /** Hex SHA-256 of the value's canonical form. */
  readonly digest: string;
}

const KEYS_A_BATCH = 500;

const SIZE: Readonly<Record<string, string>> = {
  string: 'STRLEN',
  hash: 'HLEN',
  set: 'SCARD',
  zset: 'ZCARD',
  list: 'LLEN',
  stream: 'XLEN',
};

/** All keys of a database, over plain TCP commands; a key may come twice, as SCAN has it. */
export async function* readDatabase(redisUrl: string): AsyncGenerator<KeyRecord> {
  const redis = openDatabase(redisUrl);
  try {
    for await (const keys of scanKeys(redis)) yield* await readKeys(redis, keys);
  } finally {
    redis.disconnect();
  }
}

/** The names alone, in batches. */
export async function* scanKeys(redis: Redis): AsyncGenerator<Buffer[]> {
  let cursor = '0';
  do {
    const [next, keys] = listOf(await call(redis, ['SCAN', cursor, 'COUNT', String(KEYS_A_BATCH)]));
    cursor = textOf(next);
    yield buffersOf(keys);
  } while (cursor !== '0');
}

/** The keys that still exist, in the order given. */
export async function readKeys(redis: Redis, keys: readonly Buffer[]): Promise<KeyRecord[]> {
  const facts = await batch(
    redis,
    keys.flatMap((key): Command[] => [
      ['TYPE', key],
      ['PEXPIRETIME', key],
    ]),
  );
  const found = keys
    .map((key, index) => ({ key, type: typeNames(textOf(facts[2 * index])), expiry: numberOf(facts[2 * index + 1]) }))
    .filter(({ type }) => type !== 'none');
  const sizes = await batch(
    redis,
    found.map(({ key, type }): Command => [SIZE[type] ?? 'EXISTS', key]),
  );
  const small = found.map(({ key, type }, index) =>
    isSmall(type, numberOf(sizes[index])) ? wholeValue(type, key) : null,
  );
  const values = await batch(
    redis,
    small.filter((command) => command !== null),
  );
  const records: KeyRecord[] = [];
  for (const [index, { key, type, expiry }] of found.entries()) {
    const digest = valueDigest(type);
    if (small[index] === null) await addPaged(redis, digest, type, key);
    else addReply(digest, type, values.shift() ?? null);
    if (type === 'hash') await addFieldExpiries(redis, digest, key);
    records.push({ key, type, expiresAt: expiry < 0 ? null : expiry, digest: digest.finish() });
  }
  return records;
}

/** Servers with the JSON module call its type by the module's name. */
function typeNames(type: string): string {
  return type === 'ReJSON-RL' ? 'json' : type;
}
