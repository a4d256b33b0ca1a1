import { createHash } from 'node:crypto';
import { readDatabase, readKeys, scanKeys, type KeyRecord } from './database-reader.js';
import { fingerprints, type Fingerprints } from './fingerprints.js';
import { openDatabase } from './redis-calls.js';
import { readSnapshot } from './snapshot-reader.js';

/** How many keys are named, to have something to look at; the counts are of all of them. */
const EXAMPLES = 20;

export interface Comparison {
  /** Keys that stand on both sides. */
  readonly keys: number;
  readonly onlyInRedis: number;
  readonly onlyInSnapshot: number;
  /** On both sides, but not with the same type, expiry and value; or twice in the snapshot without being a double. */
  readonly different: number;
  /** The first keys that do not agree, and in what; empty when all do. */
  readonly examples: readonly string[];
}

/** Stands in place of a fingerprint once the snapshot's record of the key was seen. */
const SEEN = 0n;

/** Compares every key of a database with a snapshot, by 64-bit hashes: under 64 bytes of memory a key. */
export async function compareSnapshot(redisUrl: string, folder: string, id: string): Promise<Comparison> {
  const inRedis = fingerprints();
  for await (const record of readDatabase(redisUrl)) inRedis.set(keyHash(record.key), fingerprint(record));
  const counts = { keys: 0, onlyInRedis: 0, onlyInSnapshot: 0, different: 0 };
  const examples: string[] = [];
  const note = (text: string) => examples.length < EXAMPLES && examples.push(text);
  for await (const record of readSnapshot(folder, id)) {
    const hash = keyHash(record.key);
    const expected = inRedis.get(hash);
    inRedis.set(hash, SEEN);
    if (expected === undefined) {
      counts.onlyInSnapshot++;
      note(`only in the snapshot: ${nameOf(record.key)}`);
      continue;
    }
    if (expected !== SEEN) counts.keys++;
    if (expected === fingerprint(record)) continue;
    counts.different++;
    if (examples.length === EXAMPLES) continue;
    note(expected === SEEN ? `twice in the snapshot: ${nameOf(record.key)}` : await difference(redisUrl, record));
  }
  for (const value of inRedis.values()) if (value !== SEEN) counts.onlyInRedis++;
  if (counts.onlyInRedis > 0) for (const key of await missing(redisUrl, inRedis)) note(`only in Redis: ${key}`);
  return { ...counts, examples };
}

async function difference(redisUrl: string, record: KeyRecord): Promise<string> {
  const redis = openDatabase(redisUrl);
  try {
    const [now] = await readKeys(redis, [record.key]);
    const fields = ['type', 'expiresAt', 'digest'] as const;
    const differing = fields.filter((field) => now?.[field] !== record[field]);
    return `different ${differing.join(', ')}: ${nameOf(record.key)}`;
  } finally {
    redis.disconnect();
  }
}

async function missing(redisUrl: string, inRedis: Fingerprints): Promise<string[]> {
  const redis = openDatabase(redisUrl);
  const names: string[] = [];
  try {
    for await (const keys of scanKeys(redis)) {
      const unseen = keys.filter((key) => (inRedis.get(keyHash(key)) ?? SEEN) !== SEEN);
      names.push(...unseen.map(nameOf));
      if (names.length >= EXAMPLES) break;
    }
  } finally {
    redis.disconnect();
  }
  return names.slice(0, EXAMPLES);
}

function keyHash(key: Buffer): bigint {
  return createHash('sha256').update(key).digest().readBigUInt64BE();
}

function fingerprint({ type, expiresAt, digest }: KeyRecord): bigint {
  const hash = createHash('sha256').update(`${type} ${expiresAt} ${digest}`).digest().readBigUInt64BE();
  return hash === SEEN ? 1n : hash;
}

function nameOf(key: Buffer): string {
  const text = key.toString('utf8');
  return Buffer.from(text, 'utf8').equals(key) ? JSON.stringify(text) : `0x${key.toString('hex')}`;
}
