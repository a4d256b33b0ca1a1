import { hashVectorMaker, numbersOf, pseudoRandom, type Vector } from './hash-vectors.js';
import { loadModel } from './model.js';
import type { ModelRequest } from './request.js';

/** One vector a text, each of the dimension asked for. */
export type Vectors = (requests: readonly ModelRequest[]) => Promise<Vector[]>;

const FULL_DIMENSIONS = 3072;
/** The part of a text that the vendor's model reads: 2,048 tokens of about 4 characters. */
const TEXT_LIMIT = 8192;
/** What the local model is given of it: its time grows with the length, its tokenizer's with the square. */
const MODEL_READS = 240;
/** Length of a vector below the full dimension: far enough from 1 to be noticed. */
const SHORT_LENGTH = 0.65;
/** Length of the noise beside the model's vector of length 1: too small to change what is near. */
const NOISE_LENGTH = 0.05;

/** Vectors of the model, widened with noise that depends on all of the text. */
export const modelVectors: Vectors = async (requests) => {
  const model = await loadModel();
  const vectors = await model(requests.map(({ text }) => firstCharacters(text, MODEL_READS)));
  return requests.map(({ text, dimensions, model: name }, index) => {
    const kept = inSpaceOf(name, unit((vectors[index] ?? []).slice(0, dimensions)));
    const noise = unit(pseudoRandom(numbersOf(readable(text)), dimensions - kept.length));
    return finish([...kept, ...noise.map((value) => value * NOISE_LENGTH)]);
  });
};

const makers = new Map<number, (text: string) => Vector>();

/** Pseudo-random vectors: equal texts have equal ones, any others are about at right angles. */
export const hashVectors: Vectors = (requests) =>
  Promise.resolve(
    requests.map(({ text, dimensions, model }) => makerOf(dimensions)(`${prefixOf(model)}${readable(text)}`)),
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

/** Another model's space: the same neighbours, at right angles to the first model's. */
function inSpaceOf(model: string, vector: readonly number[]): readonly number[] {
  if (model === FIRST_MODEL) return vector;
  return vector.map((_, at) => vector[(at + (vector.length >> 1)) % vector.length] ?? 0);
}

function readable(text: string): string {
  return firstCharacters(text, TEXT_LIMIT);
}

/** Never half of a surrogate pair. */
function firstCharacters(text: string, count: number): string {
  return text.length <= count ? text : text.slice(0, count).replace(/[\ud800-\udbff]$/, '');
}

/** Of the length that the vendor's vectors of this dimension have, and with the digits of a 32-bit float. */
function finish(vector: readonly number[]): Vector {
  const scale = (vendorLength(vector.length) / (lengthOf(vector) || 1)) * 1e8;
  const values = vector.map((value) => Math.round(value * scale) / 1e8);
  return { values: () => values, json: Buffer.from(JSON.stringify(values)) };
}

function vendorLength(dimensions: number): number {
  return dimensions === FULL_DIMENSIONS ? 1 : SHORT_LENGTH;
}

function unit(vector: readonly number[]): number[] {
  const length = lengthOf(vector) || 1;
  return vector.map((value) => value / length);
}

function lengthOf(vector: readonly number[]): number {
  let sum = 0;
  for (const value of vector) sum += value * value;
  return Math.sqrt(sum);
}
