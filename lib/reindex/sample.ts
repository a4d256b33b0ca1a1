import type { VectorIndex } from '../ports/vector-index.js';

const SAMPLE = 10;
/** A vector that finds itself scores 1; an approximate index with shortened numbers, slightly less. */
const LEAST_SCORE = 0.999;
/** Items with the same text have the same vector: up to this many may rank before the one searched for. */
const NEIGHBOURS = 50;

interface SampleResult {
  readonly sampled: number;
  readonly sampleFound: number;
}

/**
 * Searches a namespace with a sample of its vectors, spread over the list, and counts those that find themselves. A vector
 * that is listed but cannot be fetched counts as not found.
 */
export async function searchSample(
  index: VectorIndex,
  namespace: string,
  ids: readonly string[],
): Promise<SampleResult> {
  const step = Math.max(1, Math.floor(ids.length / SAMPLE));
  const chosen = ids.filter((_, at) => at % step === 0).slice(0, SAMPLE);
  const stored = (await index.fetch(namespace, chosen)).filter((vector) => vector !== null);
  const found = await Promise.all(stored.map(({ id, values }) => findsItself(index, namespace, id, values)));
  return { sampled: chosen.length, sampleFound: found.filter(Boolean).length };
}

async function findsItself(index: VectorIndex, namespace: string, id: string, values: Float32Array): Promise<boolean> {
  const matches = await index.query(namespace, values, NEIGHBOURS);
  const equals = matches.filter(({ score }) => score > LEAST_SCORE);
  return equals.some((match) => match.id === id) || equals.length === NEIGHBOURS;
}
