import type { RedisCommand, RedisPort } from '../../ports/redis.js';
import { decodeLine, encodeLine, type RecordLine } from '../record.js';
import { fromText, type Text } from '../text.js';
import type { ReadOutcome, TypedKey } from './batch.js';

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
    result[at] = { kind: 'line', line: await withFieldExpiry(redis, outcome.line) };
  }
  return result;
}

/** A line of a hash with `fx` for those of its fields that expire. */
export async function withFieldExpiry(redis: RedisPort, encoded: string): Promise<string> {
  const line = decodeLine(encoded);
  const fields = (line.v as readonly (readonly [Text, Text])[]).map(([field]) => field);
  const commands: RedisCommand[] = [];
  for (let at = 0; at < fields.length; at += FIELDS_PER_COMMAND) {
    const names = fields.slice(at, at + FIELDS_PER_COMMAND).map(fromText);
    commands.push(['HPEXPIRETIME', fromText(line.k), 'FIELDS', names.length, ...names]);
  }
  if (commands.length === 0) return encoded;
  const replies = await redis.pipeline(commands);
  const times = replies.flatMap((reply) => ('value' in reply && Array.isArray(reply.value) ? reply.value : []));
  const fx = fields.flatMap((field, at) => (isTime(times[at]) ? [[field, Number(times[at])] as const] : []));
  return fx.length === 0 ? encoded : encodeLine({ ...line, fx } satisfies RecordLine);
}

/** HPEXPIRETIME answers -2 for a field that is gone and -1 for one that does not expire. */
function isTime(time: unknown): boolean {
  return typeof time === 'number' && time >= 0;
}
