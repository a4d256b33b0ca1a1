import { AppError } from '../errors.js';
import type { ObjectStore } from '../ports/store.js';
import type { Engine } from './engine.js';
import { isId } from './ids.js';
import { isOver, type RunRecord } from './model.js';
import { runsOf } from './recent.js';

/**
 * Ends a run now, whoever works on it: its lease and its locks on the application are freed, messages that arrive later
 * change nothing, and an attempt that works stops at its next write. One that is over stays as it is. Throws `not-found`.
 */
export function cancelRun(engine: Engine, id: string): Promise<RunRecord> {
  const error = new AppError('cancelled', `Run ${id} was cancelled`, {
    hint: 'What it had written stays, and it is not resumed.',
  });
  return engine.end(id, error);
}

/** The same of what may be a run, and may be over: whether it was ended. What has no record, such as Upstash's own restore, is passed over. */
export async function cancelIfOpen(engine: Engine, store: ObjectStore, id: string): Promise<boolean> {
  const [record] = isId(id) ? await runsOf(store, [id]) : [];
  if (record === undefined || isOver(record)) return false;
  await cancelRun(engine, id);
  return true;
}
