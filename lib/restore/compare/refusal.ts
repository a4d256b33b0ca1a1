import { AppError, toAppError } from '../../errors.js';

/** `what` is a command, or a description without names or values from the database. */
export function readRefusedError(what: string): AppError {
  return new AppError('redis-command', `The database refuses to show ${what}`, {
    hint: 'Use the standard REST token, or let the ACL user read: see docs/operations.md.',
  });
}

export function stopIfAborted(signal: AbortSignal): void {
  if (signal.aborted) throw toAppError(signal.reason);
}
