import type { Clock } from '../ports/clock.js';
import type { RedisPort, RedisReply, SentCommand } from '../ports/redis.js';

/** How far a request may make up for one that came late, as timers on a busy machine do. */
const CATCH_UP_MS = 50;

/**
 * The same database, with a bound on the commands a second, which are taken evenly: after each request the next one waits
 * for as long as its commands are worth. Requests leave in the order in which they came, and none is cut: within a second
 * there may be the commands of one request more. Infinity: no bound.
 */
export function pacedRedis(redis: RedisPort, clock: Clock, commandsPerSecond: number): RedisPort {
  if (commandsPerSecond === Infinity) return redis;
  const pass = pacer(clock, commandsPerSecond);
  return {
    host: redis.host,
    async pipeline(commands) {
      await pass(commands.length);
      return redis.pipeline(commands);
    },
    async transaction(commands: readonly SentCommand[], form?: 'wire') {
      await pass(commands.length);
      return redis.transaction(commands, form) as Promise<RedisReply[]>;
    },
    usage: () => redis.usage(),
  };
}

/** What it returns resolves when that number of commands may be sent. */
function pacer(clock: Clock, commandsPerSecond: number): (commands: number) => Promise<void> {
  let turn: Promise<void> = Promise.resolve();
  let freeAt = -Infinity;
  let worth = 0;
  return (commands) => {
    turn = turn.then(async () => {
      // No longer than the request before was worth, whatever the clock has been set to meanwhile.
      const wait = Math.min(freeAt - clock.now(), worth);
      if (wait > 0) await clock.sleep(wait);
      const now = clock.now();
      worth = (commands * 1000) / commandsPerSecond;
      freeAt = Math.min(Math.max(freeAt, now - CATCH_UP_MS), now + CATCH_UP_MS) + worth;
    });
    return turn;
  };
}
