import { AppError, type ErrorCode } from '../errors.js';
import type { VectorIndex } from '../ports/vector-index.js';
import type { ProjectState } from './checkpoint.js';

/** Permanent refusals of the index: it does not accept a namespace, an id or a vector. */
const REFUSALS: ReadonlySet<ErrorCode> = new Set<ErrorCode>(['vector-refused', 'invalid']);

export function isIndexRefusal(error: unknown): error is AppError {
  return error instanceof AppError && REFUSALS.has(error.code);
}

export function isCode(error: unknown, code: ErrorCode): error is AppError {
  return error instanceof AppError && error.code === code;
}

/** No item has this id. */
const PROBE_ID = 'soulcaster-backup:nobody';

/**
 * Does the work of one namespace; if the index refuses the namespace, returns the reason instead, so that the others are not
 * affected. A token that is refused only there, and a failure that persists only there, count as refusals too. The work must
 * be idempotent.
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
      if (isIndexRefusal(error)) return refusedResult(error);
      const isUnavailable = isCode(error, 'vector-unavailable');
      if (!isUnavailable && !isCode(error, 'vector-denied')) throw error;
      if (!(await canWriteDefaultNamespace(vectors))) throw error;
      // The index may have recovered between the failure and the probe: the namespace is tried a second time.
      if (!isUnavailable || hasFailed) return refusedResult(error);
      hasFailed = true;
    }
  }
}

function refusedResult({ message, hint }: AppError): { refused: string } {
  return { refused: `${message}. ${hint}` };
}

/** Whether the index accepts writes in the default namespace. */
function canWriteDefaultNamespace(vectors: Pick<VectorIndex, 'remove'>): Promise<boolean> {
  return vectors.remove('', [PROBE_ID]).then(
    () => true,
    () => false,
  );
}

/** The namespaces that the index refuses, with the reason for the first. */
export function describeRefusedNamespaces(refusedProjects: readonly ProjectState[]): string {
  return `the index refuses the namespace of ${projectNames(refusedProjects)} (${refusedProjects[0]?.refused ?? ''})`;
}

const NAMED_PROJECTS = 5;

export function projectNames(projects: readonly ProjectState[]): string {
  const names = projects.slice(0, NAMED_PROJECTS).map(({ project }) => (project === '' ? '(none)' : project));
  const more = projects.length - names.length;
  return `${projects.length === 1 ? 'project' : 'projects'} ${names.join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
}
