import type { Queue } from '../ports/queue.js';
import type { Clock } from '../ports/clock.js';
import type { Engine } from '../runs/engine.js';
import { isOver } from '../runs/ending.js';
import type { Budget } from '../runs/attempt.js';
import type { RunRecord } from '../runs/model.js';

/** A queue for one process: what is published waits here until the same process takes it. */
export interface InProcessQueue extends Queue {
  /** The body of the next message; null when none is left. */
  take(): string | null;
}

/** Delays, doubles and flow control mean nothing within one process that works off one message after another. */
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

/** Whether a queue works within this process alone, and so has to be worked off by it. */
export function isInProcess(queue: Queue): queue is InProcessQueue {
  return 'take' in queue;
}

/**
 * Works on a run within this process until it is over or the deadline has passed, taking its messages from `take`.
 * For the command line, and for functions where no queue is configured.
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
