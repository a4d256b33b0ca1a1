import type { StoredVector, VectorIndexInfo, VectorMatch, VectorPage } from '../../ports/vector-index.js';
import { unavailableError } from './failures.js';

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
