import { AppError } from '../../errors.js';
import type { RestoreRequest } from '../../restore/start.js';
import type { RunRecord } from '../../runs/model.js';
import { interruptedText } from '../../restore/unfinished.js';
import { errorOfRun } from '../carry-out.js';
import { isWriteRefusal } from '../in-memory.js';
import type { Undo } from './undo.js';
import { sameRestore } from './words.js';

const NOTHING_WRITTEN = 'Nothing was written';

/** The error that a run ended with, with a hint for this machine; null if it succeeded. */
export function restoreErrorOf(run: RunRecord, queued: boolean): AppError | null {
  const error = errorOfRun(run);
  // Functions that only back up have no identity.
  if (error?.code !== 'wrong-key' || !queued) return error;
  return withHint(error, `${error.hint} Or give --local to use the identity set here.`);
}

/** The error of an interrupted restore, with hints to finish or undo it; `undo` is null if nothing was written yet. */
export function interruptedRestoreError(
  error: AppError,
  request: RestoreRequest,
  undo: Undo | null,
  run: Pick<RunRecord, 'phase' | 'progress'>,
  replica = false,
): AppError {
  if (undo === null) {
    if (isWriteRefusal(error)) return notStartedError(error, request, replica);
    return error.message.includes(NOTHING_WRITTEN) ? error : withHint(error, `${error.hint} ${NOTHING_WRITTEN}.`);
  }
  const remains = interruptedText(run, `\`${sameRestore(request, replica)}\``, undo.words);
  return withHint(error, `${error.hint} ${remains}`);
}

/** The error of a restore that a read-only or full store stopped before anything was written, with hints. */
export function notStartedError(error: AppError, request: RestoreRequest, replica = false): AppError {
  const message = error.message.includes(NOTHING_WRITTEN)
    ? error.message
    : `The store refuses writes, so the restore was not started: ${error.message}. ${NOTHING_WRITTEN}.`;
  const without = `${sameRestore({ ...request, safety: false }, replica)} --no-lock`;
  const room = 'To free space: `npx soulcaster-backup prune --env-file .env`, which works on a full store.';
  const hints = [
    ...(error.code === 'store-full' ? [room] : [error.hint]),
    `To restore without writing to the store, without a lock and without undo: \`${without}\`.`,
  ];
  return new AppError(error.code, message, { hint: hints.join(' '), cause: error });
}

function withHint({ code, message, cause }: AppError, hint: string): AppError {
  return new AppError(code, message, { hint, cause });
}
