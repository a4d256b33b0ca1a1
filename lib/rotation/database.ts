import { AppError } from '../errors.js';
import type { RedisPort } from '../ports/redis.js';

/**
 * Whether a database may take the place of the application's: it answers, and holds keys. Returns what to tell of it. An
 * empty one would look to the application as if all data were lost.
 */
export async function demandDatabase(redis: RedisPort, allowEmpty: boolean): Promise<string> {
  const replies = await redis.pipeline([['PING'], ['DBSIZE']]);
  const values = replies.map((reply) => ('value' in reply ? reply.value : null));
  const keys = values[1];
  if (String(values[0]) !== 'PONG' || typeof keys !== 'number') {
    throw new AppError('redis-command', `${redis.host} does not answer PING and DBSIZE as Redis does`, {
      hint: 'Nothing was changed. Check the REST URL and token of the target; the token must be the standard one.',
    });
  }
  if (keys === 0 && !allowEmpty) {
    throw new AppError('not-restorable', `${redis.host} holds no key`, {
      hint: 'Restore into it first: `npx soulcaster-backup restore latest --target NAME --env-file .env`. To begin with an empty one: --allow-empty.',
    });
  }
  return `${redis.host} answers and holds ${keys.toLocaleString('en-US')} ${keys === 1 ? 'key' : 'keys'}`;
}
