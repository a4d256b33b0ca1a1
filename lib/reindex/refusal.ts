import { AppError, type ErrorCode } from '../errors.js';
import type { VectorIndex } from '../ports/vector-index.js';

/** Refusals of the index that another try, or waiting, does not change: a namespace, an id or a vector is not taken. */
const REFUSALS: ReadonlySet<ErrorCode> = new Set<ErrorCode>(['vector-refused', 'invalid']);

export function isIndexRefusal(error: unknown): error is AppError {
  return error instanceof AppError && REFUSALS.has(error.code);
}

function isDenied(error: unknown): error is AppError {
  return error instanceof AppError && error.code === 'vector-denied';
}

/** No item has it. */
const NOBODY = 'soulcaster-backup:nobody';

/**
 * Does the work of one namespace; when the index refuses the namespace, returns the reason instead, so that the others
 * are not held up by it. A token that is not accepted there alone is such a refusal too.
 */
export async function unlessRefused<T>(
  vectors: Pick<VectorIndex, 'remove'>,
  work: () => Promise<T>,
): Promise<{ done: T } | { refused: string }> {
  try {
    return { done: await work() };
  } catch (error) {
    const isRefused = isIndexRefusal(error) || (isDenied(error) && (await mayWriteElsewhere(vectors)));
    if (isRefused) return { refused: `${error.message}. ${error.hint}` };
    throw error;
  }
}

/** Whether the token is good for the default namespace. */
function mayWriteElsewhere(vectors: Pick<VectorIndex, 'remove'>): Promise<boolean> {
  return vectors.remove('', [NOBODY]).then(
    () => true,
    () => false,
  );
}
