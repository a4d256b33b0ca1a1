import { AppError } from '../../errors.js';
import type { StoredVector, VectorIndexInfo, VectorMatch, VectorPage } from '../../ports/vector-index.js';

type Fields = Readonly<Record<string, unknown>>;
type Metadata = Readonly<Record<string, string>>;

/** One item for each id, in the order of the ids: its vector, or null. */
export function toVectors(answer: unknown, ids: readonly string[]): (StoredVector | null)[] {
  const items = assertList(answer);
  if (items.length !== ids.length) throw protocolError(`${items.length} of ${ids.length} vectors`);
  return items.map((item, at) => {
    if (item === null) return null;
    const fields = assertObject(item);
    const id = assertText(fields['id']);
    if (id !== ids[at]) throw protocolError('a vector that was not requested');
    return { id, values: toValues(fields['vector']), metadata: toMetadata(fields['metadata']) };
  });
}

/** `cursor`: the cursor that the page was requested with. */
export function toPage(answer: unknown, cursor: string): VectorPage {
  const fields = assertObject(answer);
  const next = assertText(fields['nextCursor']);
  // The same page would be requested forever.
  if (next !== '' && next === cursor) throw protocolError('a page that leads back to itself');
  const vectors = assertList(fields['vectors']).map((item) => {
    const { id, metadata } = assertObject(item);
    return { id: assertText(id), metadata: toMetadata(metadata) };
  });
  return { vectors, next: next === '' ? null : next };
}

export function toMatches(answer: unknown): VectorMatch[] {
  return assertList(answer).map((item) => {
    const { id, score, metadata } = assertObject(item);
    return { id: assertText(id), score: assertNumber(score), metadata: toMetadata(metadata) };
  });
}

export function toInfo(answer: unknown): VectorIndexInfo {
  const { dimension, similarityFunction, namespaces } = assertObject(answer);
  const counts = Object.entries(assertObject(namespaces)).map(([name, value]) => {
    const { vectorCount, pendingVectorCount } = assertObject(value);
    return [name, { vectors: assertNumber(vectorCount), pending: assertNumber(pendingVectorCount) }] as const;
  });
  return {
    dimensions: assertNumber(dimension),
    metric: assertText(similarityFunction),
    namespaces: Object.fromEntries(counts),
  };
}

/**
 * Soulcaster writes text alone. Other values become their JSON: they must not end a walk, and must not compare equal to
 * the expected text.
 */
function toMetadata(value: unknown): Metadata {
  if (value === undefined || value === null) return {};
  const entries = Object.entries(assertObject(value));
  return Object.fromEntries(
    entries.map(([name, field]) => [name, typeof field === 'string' ? field : JSON.stringify(field)]),
  );
}

function toValues(value: unknown): Float32Array {
  const numbers = assertList(value);
  const vector = new Float32Array(numbers.length);
  for (let at = 0; at < vector.length; at++) vector[at] = assertNumber(numbers[at]);
  return vector;
}

function assertList(value: unknown): readonly unknown[] {
  if (Array.isArray(value)) return value;
  throw protocolError('no list where one is expected');
}

function assertObject(value: unknown): Fields {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Fields;
  throw protocolError('no object where one is expected');
}

function assertText(value: unknown): string {
  if (typeof value === 'string') return value;
  throw protocolError('no text where one is expected');
}

function assertNumber(value: unknown): number {
  if (typeof value === 'number') return value;
  throw protocolError('no number where one is expected');
}

/** `what` quotes nothing of the answer. */
function protocolError(what: string): Error {
  return unavailableError(`Upstash Vector sent something other than its protocol: ${what}`);
}

/** Upstash knows no such namespace: it is empty, which is not a failure. */
export class NamespaceMissing extends Error {}

interface Refusal {
  readonly status: number;
  /** `Retry-After` in milliseconds, when the answer had one. */
  readonly retryAfterMs: number | undefined;
  /** The `error` of the answer's JSON; null when it had none. Matched, never shown: it may quote the request. */
  readonly text: string | null;
}

/** A plan's daily limit, which is renewed, and a limit that is not, as far as the text distinguishes them. */
const DAILY = /\bdaily\b|\bper day\b/i;
const QUOTA = /\b(?:monthly|quota|maximum vector count|max vector count)\b/i;
const MISSING = /^namespace\b.*\bdoes not exist\b/is;
const DIMENSION = /dimension\D*(\d+)\D+expected\D*(\d+)/i;

/** The error for an answer other than 200 (statuses: upstash.com/docs/vector/api/get-started). */
export function refusalError({ status, retryAfterMs, text }: Refusal): AppError | NamespaceMissing {
  if (status === 404 && text !== null && MISSING.test(text)) return new NamespaceMissing();
  if (status === 401 || status === 403)
    return new AppError('vector-denied', `Upstash Vector did not accept the token (HTTP ${status})`, {
      hint: 'Copy UPSTASH_VECTOR_REST_URL and UPSTASH_VECTOR_REST_TOKEN (the standard token, as a read-only one may not write) of the same index from the Upstash console.',
    });
  const limit = status >= 400 && status < 500 ? findPlanLimit(text) : null;
  if (limit !== null) return limit;
  if (status === 429)
    return new AppError('vector-limit', "Upstash Vector's rate limit was hit (HTTP 429)", {
      hint: 'Try again in a minute; if it keeps happening, check the limits of the plan in the Upstash console.',
      transient: true,
      retryAfterMs,
    });
  if (status === 422 && (text === null || /dimension/i.test(text))) return mismatchError(text ?? '');
  if (status >= 500 || status === 408) {
    return unavailableError(`Upstash Vector answered HTTP ${status}`, { retryAfterMs });
  }
  return new AppError('vector-refused', `Upstash Vector refused the request (HTTP ${status})`, {
    hint: 'Check UPSTASH_VECTOR_REST_URL; if it is right, Upstash does not accept an id, its metadata (48 kB at most) or the namespace.',
  });
}

/** The error for an answer of 200 without a result. */
export function emptyAnswerError(text: string | null): AppError {
  return findPlanLimit(text) ?? unavailableError('Upstash Vector answered without a result');
}

/** The limit of the plan that the text of an error names. */
function findPlanLimit(text: string | null): AppError | null {
  if (text !== null && DAILY.test(text))
    return new AppError('vector-quota', 'The daily limit of the Upstash Vector plan is used up', {
      hint: 'Wait until it is renewed, or upgrade the plan in the Upstash console.',
    });
  return text !== null && QUOTA.test(text)
    ? new AppError('vector-limit', 'A quota of the Upstash Vector plan is used up', {
        hint: 'Upgrade the plan in the Upstash console, or remove vectors that are not needed any more.',
      })
    : null;
}

interface Circumstances {
  readonly retryAfterMs?: number | undefined;
  readonly cause?: unknown;
}

export function unavailableError(message: string, { retryAfterMs, cause }: Circumstances = {}): AppError {
  return new AppError('vector-unavailable', message, {
    hint: 'Check UPSTASH_VECTOR_REST_URL, that the index still exists in the Upstash console, and status.upstash.com.',
    transient: true,
    retryAfterMs,
    cause,
  });
}

/** The caller broke the contract: a defect of this program. Nothing was sent. */
export function callerError(message: string): AppError {
  return new AppError('internal', message, {
    hint: 'This is a defect in soulcaster-backup. Run the command again with DEBUG=1 and report what it prints.',
  });
}

function mismatchError(text: string): AppError {
  const [, sent, expected] = DIMENSION.exec(text) ?? [];
  const numbers = sent === undefined || expected === undefined ? '' : `: it has ${expected} dimensions, not ${sent}`;
  return new AppError('vector-mismatch', `The vectors do not fit the Upstash Vector index${numbers}`, {
    hint: 'EMBEDDING_DIMENSIONS and EMBEDDING_MODEL must be those of the index; an index of another dimension has to be rebuilt.',
  });
}
