const STAR = 0x2a;
const QUESTION = 0x3f;
const OPEN = 0x5b;
const CLOSE = 0x5d;
const CARET = 0x5e;
const ESCAPE = 0x5c;
const DASH = 0x2d;

/** `nowhere`: the pattern does not match, however far an earlier `*` reaches. */
type Outcome = 'match' | 'no-match' | 'nowhere';

/**
 * Whether bytes match a pattern by the rules of KEYS and SCAN: `*`, `?` (one byte), `[a-z]`, `[^x]` and `\` before a literal
 * byte. `*` alone matches everything. The time is at most proportional to the product of both lengths.
 */
export function matchesGlob(pattern: Uint8Array, bytes: Uint8Array): boolean {
  if (pattern.length === 1 && pattern[0] === STAR) return true;
  return match(pattern, 0, bytes, 0) === 'match';
}

function match(pattern: Uint8Array, patternFrom: number, bytes: Uint8Array, bytesFrom: number): Outcome {
  let p = patternFrom;
  let at = bytesFrom;
  while (p < pattern.length && at < bytes.length) {
    if (pattern[p] === STAR) return matchStar(pattern, p, bytes, at);
    if (pattern[p] === OPEN) {
      const { end, matches } = matchClass(pattern, p, bytes[at] ?? 0);
      if (!matches) return 'no-match';
      p = end;
    } else if (pattern[p] !== QUESTION) {
      if (pattern[p] === ESCAPE && p + 1 < pattern.length) p++;
      if (pattern[p] !== bytes[at]) return 'no-match';
    }
    p++;
    at++;
    if (at === bytes.length) while (pattern[p] === STAR) p++;
  }
  return p === pattern.length && at === bytes.length ? 'match' : 'no-match';
}

/** If the rest after this `*` matches nowhere, extending an earlier `*` cannot help either. */
function matchStar(pattern: Uint8Array, star: number, bytes: Uint8Array, from: number): Outcome {
  let p = star;
  while (pattern[p + 1] === STAR) p++;
  if (p + 1 === pattern.length) return 'match';
  for (let at = from; at < bytes.length; at++) {
    const outcome = match(pattern, p + 1, bytes, at);
    if (outcome !== 'no-match') return outcome;
  }
  return 'nowhere';
}

/** `end`: the closing bracket, or the last byte of the pattern if there is none. */
function matchClass(pattern: Uint8Array, open: number, byte: number): { end: number; matches: boolean } {
  let p = open + 1;
  const negated = pattern[p] === CARET;
  if (negated) p++;
  let found = false;
  for (; ; p++) {
    if (pattern[p] === ESCAPE && p + 1 < pattern.length) {
      p++;
      found ||= pattern[p] === byte;
    } else if (pattern[p] === CLOSE) {
      break;
    } else if (p >= pattern.length) {
      p = pattern.length - 1;
      break;
    } else if (pattern[p + 1] === DASH && p + 2 < pattern.length) {
      const [a, b] = [pattern[p] ?? 0, pattern[p + 2] ?? 0];
      found ||= byte >= Math.min(a, b) && byte <= Math.max(a, b);
      p += 2;
    } else {
      found ||= pattern[p] === byte;
    }
  }
  return { end: p, matches: found !== negated };
}
