type Numbers = readonly number[];

const FUNCTIONS: Readonly<Record<string, (...args: number[]) => number>> = {
  pow: Math.pow,
  sqrt: Math.sqrt,
  abs: Math.abs,
  exp: Math.exp,
  floor: Math.floor,
  ceil: Math.ceil,
  round: Math.round,
  min: Math.min,
  max: Math.max,
};

/**
 * Evaluates the expression of an `Upstash-Retry-Delay` header: numbers, `retried` (0 before the first retry),
 * `+ - * /`, parentheses and the functions that QStash's documentation names. Returns milliseconds; throws a
 * SyntaxError on anything else. Source: https://upstash.com/docs/qstash/features/retry
 */
export function evaluateDelay(expression: string, retried: number): number {
  const tokens = expression.match(/\d+(?:\.\d+)?|[a-z]+|\S/g) ?? [];
  let at = 0;

  const accept = (token: string): boolean => {
    if (tokens[at] !== token) return false;
    at++;
    return true;
  };
  const expect = (token: string): void => {
    if (!accept(token)) throw new SyntaxError(`expected ${token}`);
  };

  const sum = (): number => {
    let value = product();
    for (;;) {
      if (accept('+')) value += product();
      else if (accept('-')) value -= product();
      else return value;
    }
  };
  const product = (): number => {
    let value = factor();
    for (;;) {
      if (accept('*')) value *= factor();
      else if (accept('/')) value /= factor();
      else return value;
    }
  };
  const factor = (): number => {
    if (accept('-')) return -factor();
    if (accept('(')) {
      const value = sum();
      expect(')');
      return value;
    }
    const token = tokens[at++] ?? '';
    if (/^\d/.test(token)) return Number(token);
    if (token === 'retried') return retried;
    const apply = Object.hasOwn(FUNCTIONS, token) ? FUNCTIONS[token] : undefined;
    if (apply === undefined) throw new SyntaxError('unknown word');
    return apply(...argumentsOf());
  };
  const argumentsOf = (): Numbers => {
    expect('(');
    const args = [sum()];
    while (accept(',')) args.push(sum());
    expect(')');
    return args;
  };

  const result = sum();
  if (at !== tokens.length || Number.isNaN(result)) throw new SyntaxError('not a delay');
  return Math.max(0, result);
}
