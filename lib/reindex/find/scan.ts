import type { RedisPort, RedisValue } from '../../ports/redis.js';
import { scanReplies } from '../../redis/scan.js';

export interface TypedKey {
  readonly key: Buffer;
  /** As TYPE says it. */
  readonly type: string;
}

export interface KeyPage {
  readonly keys: readonly TypedKey[];
  /** Where to go on; null at the end. */
  readonly next: string | null;
}

const COUNT = 1000;

/**
 * Every key of the database with its type, from a cursor on. A key may come twice, and pages may be empty; only cursor 0
 * is the end (Redis documentation, SCAN guarantees).
 */
export async function* scanKeys(redis: RedisPort, cursor: string): AsyncGenerator<KeyPage> {
  for await (const { next, items } of scanReplies(redis, cursor, () => COUNT)) yield { keys: [...pairs(items)], next };
}

function* pairs(flat: readonly RedisValue[]): Generator<TypedKey> {
  for (let at = 0; at + 1 < flat.length; at += 2) {
    const [key, type] = [flat[at], flat[at + 1]];
    if (Buffer.isBuffer(key) && Buffer.isBuffer(type)) yield { key, type: type.toString('latin1') };
  }
}
