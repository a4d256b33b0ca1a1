/** Whether two JSON texts say the same, whatever the order of their keys and the way numbers are written. */
export function sameJson(a: string, b: string): boolean {
  try {
    return canonical(a) === canonical(b);
  } catch (error) {
    if (error instanceof SyntaxError) return false;
    throw error;
  }
}

function canonical(text: string): string {
  return JSON.stringify(sorted(JSON.parse(marked(text))));
}

/**
 * Turns numbers into strings, told from other strings by their first letter: JSON.parse would round integers beyond
 * 2^53, which a server keeps.
 */
function marked(text: string): string {
  let result = '';
  for (let at = 0; at < text.length;) {
    const open = text.indexOf('"', at);
    if (open < 0) return result + withoutNumbers(text.slice(at));
    const end = endOfString(text, open);
    result += `${withoutNumbers(text.slice(at, open))}"s${text.slice(open + 1, end)}`;
    at = end;
  }
  return result;
}

/** The position after a string's closing quote. By search, since a pattern would run out of stack on a long one. */
function endOfString(text: string, open: number): number {
  for (let from = open + 1; ;) {
    const quote = text.indexOf('"', from);
    if (quote < 0) throw new SyntaxError('a string has no end');
    let backslashes = 0;
    while (text[quote - 1 - backslashes] === '\\') backslashes += 1;
    if (backslashes % 2 === 0) return quote + 1;
    from = quote + 1;
  }
}

function withoutNumbers(text: string): string {
  return text.replace(/-?\d[\d.eE+-]*/g, (number) => `"n${canonicalNumber(number)}"`);
}

/** Integers to the last digit, all others as the double that they stand for. */
function canonicalNumber(text: string): string {
  if (/^-?\d+$/.test(text)) return String(BigInt(text));
  const value = Number(text);
  if (Number.isNaN(value)) throw new SyntaxError('a number is none');
  return Number.isInteger(value) ? String(BigInt(value)) : String(value);
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  const pairs = Object.entries(value).map(([name, inner]) => [name, sorted(inner)] as const);
  return { pairs: pairs.sort(([a], [b]) => (a < b ? -1 : 1)) };
}
