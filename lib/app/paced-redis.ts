import type { Clock } from '../ports/clock.js';
import type { RedisPort, RedisReply, SentCommand } from '../ports/redis.js';

/** How much delay of a late request the next ones may catch up: timers fire late on a busy machine. */
const CATCH_UP_MS = 50;

/**
 * The database with a limit on the commands per second, spread evenly: after each request the next one waits for the time that
 * its commands take up. Requests are sent in order and are not split, so a second may exceed the limit by the commands of one
 * request. Infinity: no limit.
 */
export function pacedRedis(redis: RedisPort, clock: Clock, commandsPerSecond: number): RedisPort {
  if (commandsPerSecond === Infinity) return redis;
  const waitForTurn = createPacer(clock, commandsPerSecond);
  return {
    host: redis.host,
    async pipeline(commands) {
      await waitForTurn(commands.length);
      return redis.pipeline(commands);
    },
    async transaction(commands: readonly SentCommand[], form?: 'wire') {
      await waitForTurn(commands.length);
      return redis.transaction(commands, form) as Promise<RedisReply[]>;
    },
    usage: () => redis.usage(),
  };
}

/** Returns a function that resolves when that number of commands may be sent. */
function createPacer(clock: Clock, commandsPerSecond: number): (commands: number) => Promise<void> {
  let turn: Promise<void> = Promise.resolve();
  let freeAt = -Infinity;
  let duration = 0;
  return (commands) => {
    turn = turn.then(async () => {
      // At most the time of the request before, even if the clock was set back.
      const wait = Math.min(freeAt - clock.now(), duration);
      if (wait > 0) await clock.sleep(wait);
      const now = clock.now();
      duration = (commands * 1000) / commandsPerSecond;
      freeAt = Math.min(Math.max(freeAt, now - CATCH_UP_MS), now + CATCH_UP_MS) + duration;
    });
    return turn;
  };
}
