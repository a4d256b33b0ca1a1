/** Pseudo-random numbers that are the same for the same seed on every machine: for test data, never for secrets. */
export interface Random {
  /** From 0 up to, not including, 1. */
  next(): number;
  /** A whole number from `low` to `high`, both included. */
  whole(low: number, high: number): number;
  /** True with probability `share`. */
  chance(share: number): boolean;
  pick<T>(items: readonly T[]): T;
  /** Standard normal distribution (Box and Muller). */
  normal(): number;
  /** `length` characters of `alphabet`. */
  text(length: number, alphabet: string): string;
  bytes(length: number): Buffer;
  uuid(): string;
  /** In the shape of a CUID: `c` and 24 characters. */
  cuid(): string;
}

// Destructured once: under jest each access to a global leaves the engine, and these are called a million times.
const { cos, floor, imul, log, PI, sqrt } = Math;

const HEX = '0123456789abcdef';
const BASE36 = '0123456789abcdefghijklmnopqrstuvwxyz';

/** Mulberry32: small, fast, and random enough for test data. */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
  const whole = (low: number, high: number): number => low + floor(next() * (high - low + 1));
  const alphabets = new Map<string, readonly string[]>();
  const text = (length: number, alphabet: string): string => {
    const letters = alphabets.get(alphabet) ?? Array.from(alphabet);
    alphabets.set(alphabet, letters);
    let made = '';
    for (let index = 0; index < length; index++) made += letters[whole(0, letters.length - 1)] ?? '';
    return made;
  };
  return {
    next,
    whole,
    text,
    chance: (share) => next() < share,
    pick<T>(items: readonly T[]): T {
      if (items.length === 0) throw new RangeError('nothing to pick from');
      return items[whole(0, items.length - 1)] as T;
    },
    normal: () => sqrt(-2 * log(1 - next())) * cos(2 * PI * next()),
    bytes: (length) => Buffer.from(Array.from({ length }, () => whole(0, 255))),
    uuid: () => uuidOf(text(32, HEX)),
    cuid: () => `c${text(24, BASE36)}`,
  };
}

function uuidOf(hex: string): string {
  const variant = '89ab'[Number.parseInt(hex.charAt(16), 16) % 4] ?? '8';
  const groups = [
    hex.slice(0, 8),
    hex.slice(8, 12),
    `4${hex.slice(13, 16)}`,
    variant + hex.slice(17, 20),
    hex.slice(20),
  ];
  return groups.join('-');
}
