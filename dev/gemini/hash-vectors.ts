import { createHash } from 'node:crypto';

/** A vector as it is, when it is asked for, and as JSON. */
export interface Vector {
  values(): readonly number[];
  readonly json: Buffer;
}

/** Some values of a vector, and the JSON of each with a comma before it: to write the digits is what takes time. */
interface Piece {
  readonly values: readonly number[];
  readonly json: Buffer;
}

const PIECE_LENGTH = 16;
const PIECES = 512;
const OPEN = '['.charCodeAt(0);
const CLOSE = Buffer.from(']');

/** Makes pseudo-random vectors of one dimension and about this length: equal texts have equal ones, others are about at right angles. */
export function hashVectorMaker(dimensions: number, length: number): (text: string) => Vector {
  const next = numbersOf('pieces');
  /** Each number has its share of the length, so that a vector has the whole whatever it is made of. */
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
export function pseudoRandom(next: () => number, count: number): number[] {
  return Array.from({ length: Math.max(0, count) }, () => next() / 2 ** 31);
}

/** Whole numbers of 32 bits, with a sign, that depend on the text alone (xorshift32, seeded with its SHA-256). */
export function numbersOf(text: string): () => number {
  let state = createHash('sha256').update(text).digest().readUInt32LE() || 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state;
  };
}
