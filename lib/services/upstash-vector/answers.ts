import type { StoredVector, VectorIndexInfo, VectorMatch, VectorPage } from '../../ports/vector-index.js';
import { unavailableError } from './failures.js';

type Fields = Readonly<Record<string, unknown>>;
type Metadata = Readonly<Record<string, string>>;

/** One item for each id, in order, each that of its id or null. */
export function toVectors(answer: unknown, ids: readonly string[]): (StoredVector | null)[] {
  const items = listOf(answer);
  if (items.length !== ids.length) throw malformed(`${items.length} of ${ids.length} vectors`);
  return items.map((item, at) => {
    if (item === null) return null;
    const fields = fieldsOf(item);
    const id = textOf(fields['id']);
    if (id !== ids[at]) throw malformed('a vector that was not asked for');
    return { id, values: valuesOf(fields['vector']), metadata: metadataOf(fields['metadata']) };
  });
}

/** `cursor` is the one that the page was asked for with. */
export function toPage(answer: unknown, cursor: string): VectorPage {
  const fields = fieldsOf(answer);
  const next = textOf(fields['nextCursor']);
  // It would be asked for, and answered, for ever.
  if (next !== '' && next === cursor) throw malformed('a page that leads back to itself');
  const vectors = listOf(fields['vectors']).map((item) => {
    const { id, metadata } = fieldsOf(item);
    return { id: textOf(id), metadata: metadataOf(metadata) };
  });
  return { vectors, next: next === '' ? null : next };
}

export function toMatches(answer: unknown): VectorMatch[] {
  return listOf(answer).map((item) => {
    const { id, score, metadata } = fieldsOf(item);
    return { id: textOf(id), score: numberOf(score), metadata: metadataOf(metadata) };
  });
}

export function toInfo(answer: unknown): VectorIndexInfo {
  const { dimension, similarityFunction, namespaces } = fieldsOf(answer);
  const counts = Object.entries(fieldsOf(namespaces)).map(([name, value]) => {
    const { vectorCount, pendingVectorCount } = fieldsOf(value);
    return [name, { vectors: numberOf(vectorCount), pending: numberOf(pendingVectorCount) }] as const;
  });
  return {
    dimensions: numberOf(dimension),
    metric: textOf(similarityFunction),
    namespaces: Object.fromEntries(counts),
  };
}

/**
 * Soulcaster writes text alone. What somebody else wrote comes as its JSON: a walk must not end at it, and no
 * comparison may take it for what belongs there.
 */
function metadataOf(value: unknown): Metadata {
  if (value === undefined || value === null) return {};
  const entries = Object.entries(fieldsOf(value));
  return Object.fromEntries(
    entries.map(([name, field]) => [name, typeof field === 'string' ? field : JSON.stringify(field)]),
  );
}

function valuesOf(value: unknown): Float32Array {
  const numbers = listOf(value);
  const vector = new Float32Array(numbers.length);
  for (let at = 0; at < vector.length; at++) vector[at] = numberOf(numbers[at]);
  return vector;
}

function listOf(value: unknown): readonly unknown[] {
  if (Array.isArray(value)) return value;
  throw malformed('no list where one belongs');
}

function fieldsOf(value: unknown): Fields {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Fields;
  throw malformed('no object where one belongs');
}

function textOf(value: unknown): string {
  if (typeof value === 'string') return value;
  throw malformed('no text where it belongs');
}

function numberOf(value: unknown): number {
  if (typeof value === 'number') return value;
  throw malformed('no number where one belongs');
}

/** `what` holds nothing of the answer. */
function malformed(what: string): Error {
  return unavailableError(`Upstash Vector sent something other than its protocol: ${what}`);
}
