import { brokenAnswerError } from './failures.js';

/**
 * The vectors of an answer of `batchEmbedContents`, `{embeddings: [{values: number[]}]}`. Numbers that are not finite
 * come as protobuf's JSON writes them, as the strings "NaN", "Infinity" and "-Infinity", and are handed on, as an empty
 * vector is: they are the trouble of one text. An answer of another shape, or with another number of vectors, throws `embedder-unavailable`.
 */
export function vectorsIn(answer: unknown, count: number): Float32Array[] {
  if (!hasEmbeddings(answer)) throw brokenAnswerError('an answer of another shape');
  const { embeddings } = answer;
  if (embeddings.length !== count) throw brokenAnswerError(`${embeddings.length} of ${count} vectors`);
  return embeddings.map(vectorIn);
}

function vectorIn(embedding: unknown): Float32Array {
  if (typeof embedding !== 'object' || embedding === null) throw brokenAnswerError('an embedding of another shape');
  // Protobuf's JSON leaves an empty list out.
  const values: unknown = 'values' in embedding ? embedding.values : [];
  if (!Array.isArray(values)) throw brokenAnswerError('an embedding of another shape');
  // Float32Array.from with a function takes several times as long.
  const vector = new Float32Array(values.length);
  for (let at = 0; at < vector.length; at++) vector[at] = component(values[at]);
  return vector;
}

const NOT_FINITE = ['NaN', 'Infinity', '-Infinity'];

function component(value: unknown): number {
  if (typeof value === 'number') return value;
  if (typeof value === 'string' && NOT_FINITE.includes(value)) return Number(value);
  throw brokenAnswerError('an embedding with values that are no numbers');
}

function hasEmbeddings(answer: unknown): answer is { readonly embeddings: readonly unknown[] } {
  return typeof answer === 'object' && answer !== null && 'embeddings' in answer && Array.isArray(answer.embeddings);
}
