import { AppError, toAppError } from '../../errors.js';

/** `what` is a command, or a description without any name or value from the database. */
export function refused(what: string): AppError {
  return new AppError('redis-command', `The database refuses to show ${what}`, {
    hint: 'Use the standard REST token, or allow an ACL user to read: see docs/operations.md.',
  });
}

export function stopIfAborted(signal: AbortSignal): void {
  if (signal.aborted) throw toAppError(signal.reason);
}
