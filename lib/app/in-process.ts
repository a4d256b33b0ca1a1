import type { Queue } from '../ports/queue.js';
import type { Clock } from '../ports/clock.js';
import type { Engine } from '../runs/engine.js';
import { isOver, type RunRecord } from '../runs/model.js';
import type { Budget } from '../runs/attempt.js';
import type { Log, LogFields } from '../ports/index.js';
import type { RedisPort, RedisReply, SentCommand } from '../ports/redis.js';

/** A queue for one process: messages wait in memory until the same process takes them. */
interface InProcessQueue extends Queue {
  /** The body of the next message; null if none is left. */
  take(): string | null;
}

/** Ignores delays, duplicates and flow control: one process handles one message at a time. Delayed messages are dropped. */
export function inProcessQueue(): InProcessQueue {
  const bodies: string[] = [];
  return {
    publish(messages) {
      bodies.push(...messages.filter(({ delaySeconds }) => delaySeconds === 0).map(({ body }) => body));
      return Promise.resolve();
    },
    verify: () => Promise.resolve(false),
    health: () => Promise.resolve({ signingKeys: 'none' }),
    take: () => bodies.shift() ?? null,
  };
}

/** Whether a queue is in-process, so that this process has to handle its messages. */
export function isInProcess(queue: Queue): queue is InProcessQueue {
  return 'take' in queue;
}

/**
 * Works on a run in this process until it is over or the deadline has passed, with messages from `take`. For the command line,
 * and for functions without a queue.
 */
export async function drive(
  engine: Engine,
  clock: Clock,
  take: () => string | null,
  id: string,
  budget: Budget,
): Promise<RunRecord> {
  let run = await engine.work(id, budget);
  while (!isOver(run) && clock.now() < budget.deadline) {
    const message = take();
    run = message === null ? await engine.work(id, budget) : await engine.deliver(message, budget);
  }
  return run;
}

/** Writes one JSON object per line, with time, level and event. */
export function jsonLog(write: (line: string) => void): Log {
  const logAt =
    (level: string) =>
    (event: string, fields: LogFields = {}): void =>
      write(`${JSON.stringify({ time: new Date().toISOString(), level, event, ...fields })}\n`);
  return { info: logAt('info'), warn: logAt('warn'), error: logAt('error') };
}

/** Logs nothing: for callers that report their results themselves. */
export function silentLog(): Log {
  const ignore = (): void => undefined;
  return { info: ignore, warn: ignore, error: ignore };
}

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
