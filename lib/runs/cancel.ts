import { AppError } from '../errors.js';
import type { ObjectStore } from '../ports/store.js';
import type { Engine } from './engine.js';
import { isId } from './ids.js';
import { isOver, type RunRecord } from './model.js';
import { runsOf } from './recent.js';

/**
 * Ends a run now, even while an attempt works on it: its lease and its locks on the application are freed, later messages
 * change nothing, and the attempt stops at its next write. A run that is over is left unchanged. Throws `not-found`.
 */
export function cancelRun(engine: Engine, id: string): Promise<RunRecord> {
  const error = new AppError('cancelled', `Run ${id} was cancelled`, {
    hint: 'Everything it had written remains, and it is not resumed.',
  });
  return engine.end(id, error);
}

/** Cancels the run if it has a record and is not over, and returns whether it did. Upstash's own restore, for one, has no record. */
export async function cancelIfOpen(engine: Engine, store: ObjectStore, id: string): Promise<boolean> {
  const [record] = isId(id) ? await runsOf(store, [id]) : [];
  if (record === undefined || isOver(record)) return false;
  await cancelRun(engine, id);
  return true;
}
