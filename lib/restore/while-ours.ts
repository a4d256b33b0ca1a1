import type { RedisCommand, RedisPort, RedisReply } from '../ports/redis.js';
import type { Attempt } from '../runs/model.js';

/**
 * The same ports, whose databases are asked and written only while the run is known to be ours (`Attempt.confirm`). A process
 * that stood still, or whose run was ended elsewhere, would otherwise write on into what another restore has proven since.
 */
export function whileOurs<P extends { redisOf(target: string | null): RedisPort }>(
  ports: P,
  { confirm }: Pick<Attempt, 'confirm'>,
): P {
  const held = (redis: RedisPort): RedisPort => ({
    host: redis.host,
    pipeline: (commands) => confirm().then(() => redis.pipeline(commands)),
    async transaction(commands: readonly RedisCommand[], form?: 'wire') {
      await confirm();
      return redis.transaction(commands, form) as Promise<RedisReply[]>;
    },
    usage: () => redis.usage(),
  });
  return { ...ports, redisOf: (target: string | null) => held(ports.redisOf(target)) };
}
