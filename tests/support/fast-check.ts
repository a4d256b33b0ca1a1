import fc from 'fast-check';

export { default } from 'fast-check';

/** The same cases in every run: what fails is the change's own doing. Other cases are the hunt's. */
export const SEED = 20_261_126;

fc.configureGlobal({ seed: SEED });

const SHARE = Number(process.env['RANDOM_SHARE'] ?? 1);

/** How many random cases a slow test tries: so many, or of those the share that is asked for. */
export function cases(all: number): number {
  return Math.ceil(all * SHARE);
}

/**
 * How far apart the points of a long series are that a slow test tries, such as a fault at the first call, at the second, and
 * so on: each of them, or every n-th for the share that is asked for.
 */
export const STRIDE = Math.max(1, Math.round(1 / SHARE));

const SURROGATES = { from: 0xd800, count: 0x800 };

/** What `unit: 'binary'` draws from, without its map of all million characters, which takes two seconds in each suite. */
export const anyCharacter: fc.Arbitrary<string> = fc.integer({ min: 0, max: 0x10ffff - SURROGATES.count }).map(
  (n) => String.fromCodePoint(n < SURROGATES.from ? n : n + SURROGATES.count),
  (text) => {
    const [code, more] = Array.from(String(text), (character) => character.codePointAt(0) ?? 0);
    if (code === undefined || more !== undefined) throw new Error('not one character');
    return code < SURROGATES.from ? code : code - SURROGATES.count;
  },
);
