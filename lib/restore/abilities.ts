import { z } from 'zod';
import { AppError } from '../errors.js';
import type { RedisPort, RedisReply } from '../ports/redis.js';
import { absentKey, runOne } from '../redis/run-one.js';
import { isFull } from '../redis/at-once.js';
import { compareExpiry, MAX_FIELD_EXPIRY, toArgument, type ExpiryTime } from '../snapshot/record.js';
import type { LackCode } from './lacks.js';
import type { Needs } from './needs.js';

/** What the target of a restore can do, found out once and with read commands only. */
export const abilitiesSchema = z.object({
  json: z.boolean(),
  fieldExpiry: z.boolean(),
  /** Whether the target refuses writes, as Redis does at its memory limit without eviction. */
  full: z.boolean(),
  /** In bytes; null when the target does not report it or has no limit. `evicts`: a full target evicts keys. */
  memory: z.object({ used: z.number(), limit: z.number(), evicts: z.boolean() }).nullable(),
});
type Abilities = z.infer<typeof abilitiesSchema>;

export async function probeAbilities(redis: RedisPort): Promise<Abilities> {
  const key = absentKey();
  const [json, fields, info] = await redis.pipeline([
    ['JSON.TYPE', key],
    ['HPEXPIRETIME', key, 'FIELDS', 1, 'f'],
    ['INFO', 'memory'],
  ]);
  const memory = memoryOf(info);
  return { json: hasValue(json), fieldExpiry: hasValue(fields), full: await refusesMulti(redis), memory };
}

/** Redis refuses MULTI itself, whatever it contains, once memory is full and eviction is off. */
async function refusesMulti(redis: RedisPort): Promise<boolean> {
  try {
    await redis.transaction([['EXISTS', absentKey()]]);
    return false;
  } catch (error) {
    if (isFull(error)) return true;
    throw error;
  }
}

function hasValue(reply: RedisReply | undefined): boolean {
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

/** Finds what the target lacks for a record. Unusual abilities are probed on demand and remembered. */
export interface LackFinder {
  find(needs: Needs): Promise<LackCode[]>;
}

export function lackFinder(redis: RedisPort, abilities: Abilities): LackFinder {
  let scripts: Promise<boolean> | null = null;
  const acceptsExpiry = expiryRangeProbe(redis, (time) => ['PEXPIREAT', absentKey(), toArgument(time)]);
  const acceptsFieldExpiry = expiryRangeProbe(redis, (time) => [
    'HPEXPIREAT',
    absentKey(),
    toArgument(time),
    'FIELDS',
    1,
    'f',
  ]);
  return {
    async find({ json, binary, fieldExpiry, expiry }) {
      const found: LackCode[] = [];
      if (json && !abilities.json) found.push('json');
      if (binary && !(await (scripts ??= allowsScripts(redis)))) found.push('binary');
      if (expiry !== null && !(await acceptsExpiry(expiry))) found.push('expiry-range');
      if (fieldExpiry !== null && !abilities.fieldExpiry) found.push('field-expiry');
      else if (fieldExpiry !== null && !(await acceptsFieldExpiry(fieldExpiry))) found.push('field-expiry-range');
      return found;
    },
  };
}

const DENIED = /^NOPERM|unknown command|not available/i;

/** An ACL may deny scripts to a user; only running a script shows this. */
async function allowsScripts(redis: RedisPort): Promise<boolean> {
  try {
    const reply = await runOne(redis, (sdk) => sdk.eval('#!lua flags=no-writes\nreturn 1', [], []));
    return 'value' in reply || !DENIED.test(reply.error);
  } catch (error) {
    if (error instanceof AppError && error.code === 'redis-denied') return false;
    throw error;
  }
}

/** Whether the target accepts a time; all servers accept up to 2^46 ms. Probes an absent key, so nothing is changed. */
function expiryRangeProbe(
  redis: RedisPort,
  command: (time: ExpiryTime) => [name: string, ...args: (string | number)[]],
): (time: ExpiryTime) => Promise<boolean> {
  let accepted: ExpiryTime = MAX_FIELD_EXPIRY;
  let refused: ExpiryTime | null = null;
  return async (time) => {
    if (compareExpiry(time, accepted) <= 0) return true;
    if (refused !== null && compareExpiry(time, refused) >= 0) return false;
    // The SDK's typed methods round times beyond JavaScript's safe integers.
    const reply = await runOne(redis, (sdk) => sdk.exec(command(time)));
    // NOPERM is reported when the first write fails.
    const isRefused = 'error' in reply && !/^NOPERM/.test(reply.error);
    if (isRefused) refused = time;
    else accepted = time;
    return !isRefused;
  };
}
