import { AppError, toAppError } from '../errors.js';
import type { Engine } from './engine.js';

/**
 * Has the queue begin with a run that was started. When the queue does not take it, the run ends as failed and the
 * queue's error is thrown: nobody else would ever work on it, and its lease would keep others from starting.
 */
export async function handOver(engine: Engine, id: string): Promise<void> {
  try {
    await engine.enqueue(id);
  } catch (error) {
    if (!(await isAtWork(engine, id, error))) throw error;
  }
}

/** Ends a run that nobody works on, with the queue's error. Where somebody does, the queue had taken it and only its answer was lost. */
async function isAtWork(engine: Engine, id: string, cause: unknown): Promise<boolean> {
  const budget = { deadline: 0, lastAttempt: true, interrupt: AbortSignal.abort(toAppError(cause)) };
  try {
    await engine.work(id, budget);
    return false;
  } catch (error) {
    return error instanceof AppError && error.code === 'busy';
  }
}
