import { z } from 'zod';
import { AppError } from '../errors.js';
import type { RedisPort, RedisReply } from '../ports/redis.js';
import { absentKey } from '../redis/absent-key.js';
import { isFull } from '../redis/at-once.js';
import { runOne } from '../redis/run-one.js';
import { compareExpiry, MAX_FIELD_EXPIRY, toArgument, type ExpiryTime } from '../snapshot/expiry-time.js';
import type { LackCode } from './lacks.js';
import type { Needs } from './needs.js';

/** What the target of a restore can do, found out once and by reading alone. */
export const abilitiesSchema = z.object({
  json: z.boolean(),
  fieldExpiry: z.boolean(),
  /** Whether it refuses to take anything more, as Redis does at its limit of memory without eviction. */
  full: z.boolean(),
  /** In bytes; null when it does not say, or has no limit. `evicts`: it throws keys away when it is full. */
  memory: z.object({ used: z.number(), limit: z.number(), evicts: z.boolean() }).nullable(),
});
type Abilities = z.infer<typeof abilitiesSchema>;

export async function probeAbilities(redis: RedisPort): Promise<Abilities> {
  const nobody = absentKey();
  const [json, fields, info] = await redis.pipeline([
    ['JSON.TYPE', nobody],
    ['HPEXPIRETIME', nobody, 'FIELDS', 1, 'f'],
    ['INFO', 'memory'],
  ]);
  const memory = memoryOf(info);
  return { json: answers(json), fieldExpiry: answers(fields), full: await refusesMulti(redis), memory };
}

/** Redis refuses MULTI itself, whatever is in it, once its memory is full and it may not evict. */
async function refusesMulti(redis: RedisPort): Promise<boolean> {
  try {
    await redis.transaction([['EXISTS', absentKey()]]);
    return false;
  } catch (error) {
    if (isFull(error)) return true;
    throw error;
  }
}

function answers(reply: RedisReply | undefined): boolean {
  return reply !== undefined && 'value' in reply;
}

function memoryOf(reply: RedisReply | undefined): Abilities['memory'] {
  if (reply === undefined || 'error' in reply || !Buffer.isBuffer(reply.value)) return null;
  const text = reply.value.toString('latin1');
  const number = (name: string): number => Number(new RegExp(`^${name}:(\\d+)`, 'm').exec(text)?.[1] ?? NaN);
  const [used, limit] = [number('used_memory'), number('maxmemory')];
  if (Number.isNaN(used) || Number.isNaN(limit) || limit === 0) return null;
  return { used, limit, evicts: !/^maxmemory_policy:noeviction/m.test(text) };
}

/** What a target lacks for records, one by one. What is out of the ordinary it is asked, and remembered. */
export interface LackFinder {
  lacks(needs: Needs): Promise<LackCode[]>;
}

export function lackFinder(redis: RedisPort, abilities: Abilities): LackFinder {
  let scripts: Promise<boolean> | null = null;
  const takesExpiry = rangeOf(redis, (time) => ['PEXPIREAT', absentKey(), toArgument(time)]);
  const takesFieldExpiry = rangeOf(redis, (time) => ['HPEXPIREAT', absentKey(), toArgument(time), 'FIELDS', 1, 'f']);
  return {
    async lacks({ json, binary, fieldExpiry, expiry }) {
      const found: LackCode[] = [];
      if (json && !abilities.json) found.push('json');
      if (binary && !(await (scripts ??= allowsScripts(redis)))) found.push('binary');
      if (expiry !== null && !(await takesExpiry(expiry))) found.push('expiry-range');
      if (fieldExpiry !== null && !abilities.fieldExpiry) found.push('field-expiry');
      else if (fieldExpiry !== null && !(await takesFieldExpiry(fieldExpiry))) found.push('field-expiry-range');
      return found;
    },
  };
}

const DENIED = /^NOPERM|unknown command|not available/i;

/** An ACL user may be kept from scripts, which no other command tells. */
async function allowsScripts(redis: RedisPort): Promise<boolean> {
  try {
    const reply = await runOne(redis, (sdk) => sdk.eval('#!lua flags=no-writes\nreturn 1', [], []));
    return 'value' in reply || !DENIED.test(reply.error);
  } catch (error) {
    if (error instanceof AppError && error.code === 'redis-denied') return false;
    throw error;
  }
}

/** Whether the target takes a time; up to 2^46 ms every server does. It is asked with a key that is not there, which changes nothing. */
function rangeOf(
  redis: RedisPort,
  command: (time: ExpiryTime) => [name: string, ...args: (string | number)[]],
): (time: ExpiryTime) => Promise<boolean> {
  let taken: ExpiryTime = MAX_FIELD_EXPIRY;
  let refused: ExpiryTime | null = null;
  return async (time) => {
    if (compareExpiry(time, taken) <= 0) return true;
    if (refused !== null && compareExpiry(time, refused) >= 0) return false;
    // The typed methods take no time that JavaScript would round.
    const reply = await runOne(redis, (sdk) => sdk.exec(command(time)));
    // Who may not write here is told so then.
    const isRefused = 'error' in reply && !/^NOPERM/.test(reply.error);
    if (isRefused) refused = time;
    else taken = time;
    return !isRefused;
  };
}
