import { AppError, toAppError } from '../errors.js';
import type { Engine } from './engine.js';

/**
 * Publishes a run that was started. If the queue does not accept it, the run ends as failed and the queue's error is
 * thrown: no other process would ever work on the run, and its lease would keep others from starting.
 */
export async function handOver(engine: Engine, id: string): Promise<void> {
  try {
    await engine.enqueue(id);
  } catch (error) {
    if (!(await endUnlessInProgress(engine, id, error))) throw error;
  }
}

/** Ends the run with the error of the queue, unless an attempt is in progress: then the queue had accepted the message and only its response was lost. */
async function endUnlessInProgress(engine: Engine, id: string, cause: unknown): Promise<boolean> {
  const budget = { deadline: 0, lastAttempt: true, interrupt: AbortSignal.abort(toAppError(cause)) };
  try {
    await engine.work(id, budget);
    return false;
  } catch (error) {
    return error instanceof AppError && error.code === 'busy';
  }
}
