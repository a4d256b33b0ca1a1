import { AppError } from '../errors.js';
import type { RedisPort } from '../ports/redis.js';
import { absentKey, runOne } from '../redis/run-one.js';
import type { RunFailure } from '../runs/model.js';
import type { Plan } from './plan-counts.js';

/**
 * Tries the write commands of each type (ARGV) on a key that nobody has and that is removed again, all in one script.
 * Returns the commands that the user may not run. JSON is covered by the probe of abilities.
 */
const TRY = `local writes = {
  string = {{'set', 'v'}, {'mset', 'v'}},
  hash = {{'hset', 'f', 'v'}},
  list = {{'rpush', 'v'}},
  set = {{'sadd', 'v'}},
  zset = {{'zadd', '1', 'v'}},
  stream = {{'xadd', '1-1', 'f', 'v'}},
}
local refused = {}
local function try(command)
  local reply = redis.pcall(command[1], KEYS[1], unpack(command, 2))
  local text = type(reply) == 'table' and reply.err or ''
  if string.find(text, 'NOPERM') or string.find(text, 'ermission') or string.find(text, "can't run this command") then
    refused[#refused + 1] = string.upper(command[1])
  end
end
try({'unlink'})
if #refused > 0 then return refused end
try({'pexpireat', '1'})
for i = 1, #ARGV do
  for _, command in ipairs(writes[ARGV[i]] or {}) do
    try(command)
    redis.pcall('unlink', KEYS[1])
  end
end
return refused`;

/**
 * The error if the token may not write and remove what the plan says: an ACL may allow some commands only, and the
 * restore must not find this out half-way. Null when it may, or when this cannot be determined.
 */
export async function findRefusedWrites(redis: RedisPort, plan: Plan): Promise<RunFailure | null> {
  const types = Object.keys(plan.types).filter((type) => (plan.types[type] ?? 0) > 0);
  if (types.length + plan.total.remove === 0) return null;
  const refused = await tryWrites(redis, types.sort());
  if (refused.length === 0) return null;
  return {
    code: 'redis-denied',
    message: `The target's token may not run ${refused.join(', ')}, which this restore needs. Nothing was written.`,
    hint: 'Restore with the standard REST token of the target; docs/operations.md names the commands that are needed.',
  };
}

async function tryWrites(redis: RedisPort, types: readonly string[]): Promise<string[]> {
  try {
    const refused = await runOne(redis, (sdk) => sdk.eval<string[], string[]>(TRY, [absentKey()], [...types]));
    return 'value' in refused && Array.isArray(refused.value) ? refused.value : [];
  } catch (error) {
    // Scripts are denied, or the database is full: then the first write reports it.
    if (error instanceof AppError && !error.transient) return [];
    throw error;
  }
}
