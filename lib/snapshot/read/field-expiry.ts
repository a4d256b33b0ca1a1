import type { RedisCommand, RedisPort, RedisReply, RedisValue } from '../../ports/redis.js';
import { decodeLine, encodeLine, type RecordLine } from '../record.js';
import { fromText, type Text } from '../text.js';
import { errorKind, type ReadOutcome, type TypedKey } from './batch.js';

/** What becomes of a hash's line. */
export type WithFieldExpiry = Extract<ReadOutcome, { kind: 'line' | 'moved' | 'failed' }>;

/** Fields a command may name, well below what a script that carries binary arguments can unpack. */
const FIELDS_PER_COMMAND = 2000;

/**
 * Whether expiring hash fields have to be looked for. Redis 7.4 and later count the hashes that have some in INFO
 * (`subexpiry`); a server that knows HPEXPIRETIME but does not count them has to be asked hash by hash.
 */
export async function probeFieldExpiry(redis: RedisPort): Promise<'read' | 'none'> {
  const [probe, info] = await redis.pipeline([
    ['HPEXPIRETIME', 'soulcaster-backup:no-such-key', 'FIELDS', 1, 'f'],
    ['INFO', 'keyspace'],
  ]);
  if (probe === undefined || 'error' in probe) return 'none';
  if (info === undefined || 'error' in info || !Buffer.isBuffer(info.value)) return 'read';
  const counts = [...info.value.toString('latin1').matchAll(/subexpiry=(\d+)/g)].map((match) => Number(match[1]));
  return counts.length > 0 && counts.every((count) => count === 0) ? 'none' : 'read';
}

/** Puts the expiry of single fields into the lines of hashes. It is read right after the value, not with it. */
export async function addFieldExpiry(
  redis: RedisPort,
  keys: readonly TypedKey[],
  outcomes: readonly ReadOutcome[],
): Promise<ReadOutcome[]> {
  const result = [...outcomes];
  for (const [at, outcome] of outcomes.entries()) {
    if (keys[at]?.type !== 'hash' || outcome.kind !== 'line') continue;
    result[at] = await withFieldExpiry(redis, outcome.line);
  }
  return result;
}

/** A line of a hash with `fx` for those of its fields that expire; `moved` when it is no hash any more. */
export async function withFieldExpiry(redis: RedisPort, encoded: string): Promise<WithFieldExpiry> {
  const line = decodeLine(encoded);
  const fields = (line.v as readonly (readonly [Text, Text])[]).map(([field]) => field);
  const commands: RedisCommand[] = [];
  for (let at = 0; at < fields.length; at += FIELDS_PER_COMMAND) {
    const names = fields.slice(at, at + FIELDS_PER_COMMAND).map(fromText);
    commands.push(['HPEXPIRETIME', fromText(line.k), 'FIELDS', names.length, ...names]);
  }
  if (commands.length === 0) return { kind: 'line', line: encoded };
  const replies = await redis.pipeline(commands);
  for (const reply of replies) if ('error' in reply) return refused(reply.error);
  const times = replies.flatMap(timesOf);
  const fx = fields.flatMap((field, at) => (isTime(times[at]) ? [[field, Number(times[at])] as const] : []));
  return { kind: 'line', line: fx.length === 0 ? encoded : encodeLine({ ...line, fx } satisfies RecordLine) };
}

/** As many times as fields were asked for: a key that is gone by now may be answered with less. */
function timesOf(reply: RedisReply): (RedisValue | undefined)[] {
  const times = 'value' in reply && Array.isArray(reply.value) ? reply.value : [];
  return Array.from({ length: FIELDS_PER_COMMAND }, (_, at) => times[at]);
}

function refused(error: string): WithFieldExpiry {
  if (error.startsWith('WRONGTYPE')) return { kind: 'moved' };
  return { kind: 'failed', reason: `expiry of its fields: ${errorKind(error)}` };
}

/** HPEXPIRETIME answers -2 for a field that is gone and -1 for one that does not expire. */
function isTime(time: unknown): boolean {
  return typeof time === 'number' && time >= 0;
}
