import { AppError, type ErrorCode } from '../errors.js';
import type { VectorIndex } from '../ports/vector-index.js';

/** Refusals of the index that another try, or waiting, does not change: a namespace, an id or a vector is not taken. */
const REFUSALS: ReadonlySet<ErrorCode> = new Set<ErrorCode>(['vector-refused', 'invalid']);

export function isIndexRefusal(error: unknown): error is AppError {
  return error instanceof AppError && REFUSALS.has(error.code);
}

function hasCode(error: unknown, code: ErrorCode): error is AppError {
  return error instanceof AppError && error.code === code;
}

/** No item has it. */
const NOBODY = 'soulcaster-backup:nobody';

/**
 * Does the work of one namespace; when the index refuses the namespace, returns the reason instead, so that the others
 * are not held up by it. Such a refusal is also a token that is not accepted there alone, and a failure that stays
 * there while the rest of the index works. The work must be fit to be done twice.
 */
export async function unlessRefused<T>(
  vectors: Pick<VectorIndex, 'remove'>,
  work: () => Promise<T>,
): Promise<{ done: T } | { refused: string }> {
  let hasFailed = false;
  for (;;) {
    try {
      return { done: await work() };
    } catch (error) {
      if (isIndexRefusal(error)) return refusedBy(error);
      const isUnavailable = hasCode(error, 'vector-unavailable');
      if (!isUnavailable && !hasCode(error, 'vector-denied')) throw error;
      if (!(await mayWriteElsewhere(vectors))) throw error;
      // The index may have come back between the failure and the trial elsewhere: the namespace has a second chance.
      if (!isUnavailable || hasFailed) return refusedBy(error);
      hasFailed = true;
    }
  }
}

function refusedBy({ message, hint }: AppError): { refused: string } {
  return { refused: `${message}. ${hint}` };
}

/** Whether the index takes writes in the default namespace. */
function mayWriteElsewhere(vectors: Pick<VectorIndex, 'remove'>): Promise<boolean> {
  return vectors.remove('', [NOBODY]).then(
    () => true,
    () => false,
  );
}
