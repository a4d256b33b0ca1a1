import { AppError } from '../../errors.js';
import type { RestoreRequest } from '../../restore/start.js';
import type { RunRecord } from '../../runs/model.js';
import { errorOfRun } from '../carry-out.js';
import { isRefusal } from '../in-memory.js';
import { brokenOffWords } from '../../restore/left-behind.js';
import type { Undo } from './undo.js';
import { sameRestore } from './words.js';

const NOTHING_WRITTEN = 'Nothing was written';

/** The error that a run ended with, and what else can be done about it from here; null when it did all it was to do. */
export function errorOf(run: RunRecord, queued: boolean): AppError | null {
  const error = errorOfRun(run);
  // Functions that only back up have no identity, and need none.
  if (error?.code !== 'wrong-key' || !queued) return error;
  return withHint(error, `${error.hint} Or give --local: then the identity that is set here is used.`);
}

/** The error of a restore that broke off; `undo` is null when it did so before it wrote anything. */
export function brokenOff(
  error: AppError,
  request: RestoreRequest,
  undo: Undo | null,
  run: Pick<RunRecord, 'phase' | 'progress'>,
  replica = false,
): AppError {
  if (undo === null) {
    if (isRefusal(error)) return notBegun(error, request, replica);
    return error.message.includes(NOTHING_WRITTEN) ? error : withHint(error, `${error.hint} ${NOTHING_WRITTEN}.`);
  }
  const words = brokenOffWords(run, `\`${sameRestore(request, replica)}\``, undo.words);
  return withHint(error, `${error.hint} ${words}`);
}

/** The error of a restore that a store stopped which takes no writes, before anything was written, with the ways out. */
export function notBegun(error: AppError, request: RestoreRequest, replica = false): AppError {
  const message = error.message.includes(NOTHING_WRITTEN)
    ? error.message
    : `The store takes no writes, so the restore was not begun: ${error.message}. ${NOTHING_WRITTEN}.`;
  const without = `${sameRestore({ ...request, safety: false }, replica)} --no-lock`;
  const room = 'To make room: `npx soulcaster-backup prune --env-file .env`, which works on a full store.';
  const hints = [
    ...(error.code === 'store-full' ? [room] : [error.hint]),
    `To restore without writing into the store, so without a lock and without a way back: \`${without}\`.`,
  ];
  return new AppError(error.code, message, { hint: hints.join(' '), cause: error });
}

function withHint({ code, message, cause }: AppError, hint: string): AppError {
  return new AppError(code, message, { hint, cause });
}
