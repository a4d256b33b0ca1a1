import { toAppError } from '../errors.js';
import type { Engine } from '../runs/engine.js';

/**
 * Has the queue begin with a run that was started. When the queue does not take it, the run ends as failed and the
 * queue's error is thrown: nobody else would ever work on it, and its lease would keep others from starting.
 */
export async function handOver(engine: Engine, id: string): Promise<void> {
  try {
    await engine.enqueue(id);
  } catch (error) {
    const budget = { deadline: 0, lastAttempt: true, interrupt: AbortSignal.abort(toAppError(error)) };
    await engine.work(id, budget).catch(() => undefined);
    throw error;
  }
}
