import { AppError } from '../../errors.js';
import type { RedisPort, RedisReply, RedisValue } from '../../ports/redis.js';

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
  for (let from: string | null = cursor; from !== null;) {
    const [reply] = await redis.pipeline([['SCAN', from, 'COUNT', COUNT, 'WITHTYPE']]);
    const [next, flat] = listIn(scanReply(reply));
    const page = { keys: [...pairs(listIn(flat))], next: nextOf(next) };
    yield page;
    from = page.next;
  }
}

function* pairs(flat: readonly RedisValue[]): Generator<TypedKey> {
  for (let at = 0; at + 1 < flat.length; at += 2) {
    const [key, type] = [flat[at], flat[at + 1]];
    if (Buffer.isBuffer(key) && Buffer.isBuffer(type)) yield { key, type: type.toString('latin1') };
  }
}

function nextOf(cursor: RedisValue | undefined): string | null {
  const text = Buffer.isBuffer(cursor) ? cursor.toString('latin1') : String(cursor);
  return text === '0' ? null : text;
}

function listIn(value: RedisValue | undefined): readonly RedisValue[] {
  if (Array.isArray(value)) return value;
  throw new AppError('redis-unavailable', 'Redis answered SCAN with something other than keys', {
    hint: 'Check UPSTASH_REDIS_REST_URL: a proxy in between may change answers.',
    transient: true,
  });
}

function scanReply(reply: RedisReply | undefined): RedisValue {
  if (reply !== undefined && 'value' in reply) return reply.value;
  throw new AppError('redis-denied', 'The database refuses SCAN', {
    hint: 'Use the standard REST token: Upstash does not let a read-only token SCAN.',
  });
}
