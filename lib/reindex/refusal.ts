import { AppError, type ErrorCode } from '../errors.js';

/** Refusals of the index that another try, or waiting, does not change: a namespace, an id or a vector is not taken. */
const REFUSALS: ReadonlySet<ErrorCode> = new Set<ErrorCode>(['vector-refused', 'invalid']);

export function isIndexRefusal(error: unknown): error is AppError {
  return error instanceof AppError && REFUSALS.has(error.code);
}

/**
 * Does the work of one namespace; when the index refuses the namespace, returns the reason instead, so that the others
 * are not held up by it.
 */
export async function unlessRefused<T>(work: () => Promise<T>): Promise<{ done: T } | { refused: string }> {
  try {
    return { done: await work() };
  } catch (error) {
    if (isIndexRefusal(error)) return { refused: `${error.message}. ${error.hint}` };
    throw error;
  }
}
