import { hashVectorMaker, numbersOf, pseudoRandom, type Vector } from './hash-vectors.js';
import { loadModel } from './model.js';
import type { ModelRequest } from './request.js';

/** One vector per text, of the requested dimension. */
export type Vectors = (requests: readonly ModelRequest[]) => Promise<Vector[]>;

const FULL_DIMENSIONS = 3072;
/** The part of a text that the vendor's model reads: 2,048 tokens of about 4 characters. */
const TEXT_LIMIT = 8192;
/** The part that the local model reads: its time grows with the length, its tokenizer's with the square. */
const MODEL_READS = 240;
/** Length of a vector below the full dimension: clearly not 1. */
const SHORT_LENGTH = 0.65;
/** Length of the noise added to the model's vector of length 1: too small to change neighbours. */
const NOISE_LENGTH = 0.05;

/** Vectors of the model, padded with noise that depends on the whole text. */
export const modelVectors: Vectors = async (requests) => {
  const model = await loadModel();
  const vectors = await model(requests.map(({ text }) => firstCharacters(text, MODEL_READS)));
  return requests.map(({ text, dimensions, model: name }, index) => {
    const kept = moveToSpaceOf(name, normalize((vectors[index] ?? []).slice(0, dimensions)));
    const noise = normalize(pseudoRandom(numbersOf(truncate(text)), dimensions - kept.length));
    return scaleToVendor([...kept, ...noise.map((value) => value * NOISE_LENGTH)]);
  });
};

const makers = new Map<number, (text: string) => Vector>();

/** Pseudo-random vectors: equal texts have equal vectors, others are nearly orthogonal. */
export const hashVectors: Vectors = (requests) =>
  Promise.resolve(
    requests.map(({ text, dimensions, model }) => makerOf(dimensions)(`${prefixOf(model)}${truncate(text)}`)),
  );

function makerOf(dimensions: number): (text: string) => Vector {
  const maker = makers.get(dimensions) ?? hashVectorMaker(dimensions, vendorLength(dimensions));
  makers.set(dimensions, maker);
  return maker;
}

const FIRST_MODEL = 'gemini-embedding-001';

function prefixOf(model: string): string {
  return model === FIRST_MODEL ? '' : `${model} `;
}

/** Moves a vector into another model's space, which has the same neighbours and is nearly orthogonal to the first. */
function moveToSpaceOf(model: string, vector: readonly number[]): readonly number[] {
  if (model === FIRST_MODEL) return vector;
  return vector.map((_, at) => vector[(at + (vector.length >> 1)) % vector.length] ?? 0);
}

function truncate(text: string): string {
  return firstCharacters(text, TEXT_LIMIT);
}

/** Never splits a surrogate pair. */
function firstCharacters(text: string, count: number): string {
  return text.length <= count ? text : text.slice(0, count).replace(/[\ud800-\udbff]$/, '');
}

/** Scales a vector to the vendor's length for its dimension, with the digits of a 32-bit float. */
function scaleToVendor(vector: readonly number[]): Vector {
  const scale = (vendorLength(vector.length) / (lengthOf(vector) || 1)) * 1e8;
  const values = vector.map((value) => Math.round(value * scale) / 1e8);
  return { values: () => values, json: Buffer.from(JSON.stringify(values)) };
}

function vendorLength(dimensions: number): number {
  return dimensions === FULL_DIMENSIONS ? 1 : SHORT_LENGTH;
}

function normalize(vector: readonly number[]): number[] {
  const length = lengthOf(vector) || 1;
  return vector.map((value) => value / length);
}

function lengthOf(vector: readonly number[]): number {
  let sum = 0;
  for (const value of vector) sum += value * value;
  return Math.sqrt(sum);
}
