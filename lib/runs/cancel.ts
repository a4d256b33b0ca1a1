import { AppError } from '../errors.js';
import type { Engine } from './engine.js';
import type { RunRecord } from './model.js';

/**
 * Ends a run now, whoever works on it: its lease and its locks on the application are freed, messages that arrive later
 * change nothing, and an attempt that works stops at its next write. One that is over stays as it is. Throws `not-found`.
 */
export function cancelRun(engine: Engine, id: string): Promise<RunRecord> {
  const error = new AppError('cancelled', `Run ${id} was cancelled`, {
    hint: `What it had written stays. To see how far it came: \`npx soulcaster-backup run ${id} --env-file .env\`.`,
  });
  return engine.end(id, error);
}
