import type { Queue } from '../ports/queue.js';
import type { Clock } from '../ports/clock.js';
import type { Engine } from '../runs/engine.js';
import { isOver, type RunRecord } from '../runs/model.js';
import type { Budget } from '../runs/attempt.js';

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
