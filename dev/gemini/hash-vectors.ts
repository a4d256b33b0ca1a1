import { createHash } from 'node:crypto';

/** A vector as JSON and, on demand, as numbers. */
export interface Vector {
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
export function hashVectorMaker(dimensions: number, length: number): (text: string) => Vector {
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
export function pseudoRandom(next: () => number, count: number): number[] {
  return Array.from({ length: Math.max(0, count) }, () => next() / 2 ** 31);
}

/** Signed 32-bit integers that depend on the text alone (xorshift32, seeded with the text's SHA-256). */
export function numbersOf(text: string): () => number {
  let state = createHash('sha256').update(text).digest().readUInt32LE() || 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state;
  };
}
