/** Whether two JSON texts are equal, regardless of key order and number format. */
export function sameJson(a: string, b: string): boolean {
  try {
    return canonical(a) === canonical(b);
  } catch (error) {
    if (error instanceof SyntaxError) return false;
    throw error;
  }
}

function canonical(text: string): string {
  return JSON.stringify(sortKeys(JSON.parse(withMarkedNumbers(text))));
}

/** Turns numbers into marked strings: JSON.parse would round integers beyond 2^53, which a server keeps. */
function withMarkedNumbers(text: string): string {
  let result = '';
  for (let at = 0; at < text.length;) {
    const open = text.indexOf('"', at);
    if (open < 0) return result + markNumbers(text.slice(at));
    const end = endOfString(text, open);
    result += `${markNumbers(text.slice(at, open))}"s${text.slice(open + 1, end)}`;
    at = end;
  }
  return result;
}

/** The position after a string's closing quote. Uses a search: a pattern would overflow the stack on a long string. */
function endOfString(text: string, open: number): number {
  for (let from = open + 1; ;) {
    const quote = text.indexOf('"', from);
    if (quote < 0) throw new SyntaxError('unterminated string');
    let backslashes = 0;
    while (text[quote - 1 - backslashes] === '\\') backslashes += 1;
    if (backslashes % 2 === 0) return quote + 1;
    from = quote + 1;
  }
}

function markNumbers(text: string): string {
  return text.replace(/-?\d[\d.eE+-]*/g, (number) => `"n${canonicalNumber(number)}"`);
}

/** Integers exactly; all other numbers as their double. */
function canonicalNumber(text: string): string {
  if (/^-?\d+$/.test(text)) return String(BigInt(text));
  const value = Number(text);
  if (Number.isNaN(value)) throw new SyntaxError('invalid number');
  return Number.isInteger(value) ? String(BigInt(value)) : String(value);
}

function sortKeys(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sortKeys);
  if (typeof value !== 'object' || value === null) return value;
  const pairs = Object.entries(value).map(([name, inner]) => [name, sortKeys(inner)] as const);
  return { pairs: pairs.sort(([a], [b]) => (a < b ? -1 : 1)) };
}
