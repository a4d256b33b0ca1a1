import type { RedisPort, RedisReply, RedisValue } from '../../ports/redis.js';
import { AppError } from '../../errors.js';
import { asArray, asBuffer, readBatch, type ReadOutcome, type TypedKey } from '../read/batch.js';
import { addFieldExpiry } from '../read/field-expiry.js';
import { isRecordType } from '../record.js';

/** A page of keys as SCAN named them. */
export interface ScanPage {
  readonly keys: readonly TypedKey[];
  readonly unsupported: readonly { readonly key: Buffer; readonly type: string }[];
  /** Where SCAN goes on; null when it has come round. */
  readonly next: string | null;
}

/** A page with what became of each of its keys, in the same order. */
export interface LoadedPage extends ScanPage {
  readonly outcomes: readonly ReadOutcome[];
}

/**
 * SCANs from a cursor to the end. `count` is asked before each page. SCAN may return a key twice and empty pages; only
 * cursor 0 ends it (Redis documentation, SCAN guarantees). Keys that repeat within a page are dropped here, others
 * when the snapshot is sealed.
 */
export async function* scanPages(redis: RedisPort, cursor: string, count: () => number): AsyncGenerator<ScanPage> {
  for (let from: string | null = cursor; from !== null;) {
    const [reply] = await redis.pipeline([['SCAN', from, 'COUNT', count(), 'WITHTYPE']]);
    const page = parsePage(scanReply(reply));
    yield page;
    from = page.next;
  }
}

const BIG: ReadOutcome = { kind: 'big' };

/** Reads a page's values. */
export async function loadPage(redis: RedisPort, page: ScanPage, fieldExpiry: boolean): Promise<LoadedPage> {
  const ordinary = await readBatch(
    redis,
    page.keys.filter(({ type }) => type !== 'stream'),
  );
  let next = 0;
  // A stream has groups and pending entries beside its entries: it is always read step by step.
  const outcomes = page.keys.map(({ type }) => (type === 'stream' ? BIG : (ordinary[next++] ?? BIG)));
  return { ...page, outcomes: fieldExpiry ? await addFieldExpiry(redis, page.keys, outcomes) : outcomes };
}

function parsePage(reply: RedisValue): ScanPage {
  const [cursor, flat] = asArray(reply);
  const items = asArray(flat).map(asBuffer);
  const seen = new Set<string>();
  const keys: TypedKey[] = [];
  const unsupported: { key: Buffer; type: string }[] = [];
  for (let at = 0; at + 1 < items.length; at += 2) {
    const key = items[at] as Buffer;
    const name = key.toString('latin1');
    if (seen.has(name)) continue;
    seen.add(name);
    const type = normalType((items[at + 1] as Buffer).toString('latin1'));
    if (isRecordType(type)) keys.push({ key, type });
    else unsupported.push({ key, type });
  }
  const next = asBuffer(cursor).toString('latin1');
  return { keys, unsupported, next: next === '0' ? null : next };
}

/** Redis Stack calls the type of a JSON key by its module's name, Upstash `json`. */
export function normalType(type: string): string {
  return type === 'ReJSON-RL' ? 'json' : type;
}

function scanReply(reply: RedisReply | undefined): RedisValue {
  if (reply !== undefined && 'value' in reply) return reply.value;
  throw new AppError('redis-denied', 'The database refuses SCAN', {
    hint: 'Use the standard REST token: Upstash does not let a read-only token SCAN. For an ACL user, allow +@read +@keyspace.',
  });
}
