import type { Clock } from '../ports/clock.js';
import type { Engine } from './engine.js';
import { isOver } from './ending.js';
import type { Budget } from './attempt.js';
import type { RunRecord } from './model.js';

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
