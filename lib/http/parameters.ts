import { AppError } from '../errors.js';

/** A whole number from 1 to `max`. Throws `invalid`. */
export function parseNumber(params: URLSearchParams, name: string, fallback: number, max: number): number {
  const [text = String(fallback), ...others] = params.getAll(name);
  const value = /^[1-9]\d{0,5}$/.test(text) ? Number(text) : 0;
  if (value >= 1 && value <= max && others.length === 0) return value;
  throw new AppError('invalid', `${name} is not a valid number`, {
    hint: `Give a whole number from 1 to ${max}, or leave it out for ${fallback}.`,
  });
}

/** Parameters of Vercel itself, such as the bypass of its deployment protection. */
const VERCEL_PARAMETER = /^(?:x-vercel-|_vercel_)/;

/**
 * Throws `invalid` for any other parameter: a misspelt filter must not select everything. Parameters in `once` may be given
 * only once, since it would be unclear which of two values counts.
 */
export function assertKnownParameters(
  params: URLSearchParams,
  once: readonly string[] = [],
  repeatable: readonly string[] = [],
): void {
  const names = [...params.keys()].filter((name) => !VERCEL_PARAMETER.test(name));
  const known = [...once, ...repeatable];
  const unknown = names.find((name) => !known.includes(name));
  if (unknown !== undefined) {
    throw new AppError('invalid', `There is no parameter ${JSON.stringify(unknown.slice(0, 40))}`, {
      hint: known.length > 0 ? `This address takes ${known.join(', ')}.` : 'This address takes no parameters.',
    });
  }
  const repeated = once.find((name) => params.getAll(name).length > 1);
  if (repeated === undefined) return;
  throw new AppError('invalid', `The parameter ${repeated} is given more than once`, { hint: 'Give it once.' });
}

/** A parameter that is `true` or `false`; false by default. Throws `invalid`. */
export function parseFlag(params: URLSearchParams, name: string): boolean {
  const text = params.get(name) ?? 'false';
  if (text === 'true' || text === 'false') return text === 'true';
  throw new AppError('invalid', `${name} is neither true nor false`, {
    hint: `Give ${name}=true, or leave it out.`,
  });
}

/** The decoded segment of the request's path that follows `word`. Throws `usage` if it is not percent-encoded UTF-8. */
export function segmentAfter(word: string, request: Request): string {
  const segments = new URL(request.url).pathname.split('/');
  try {
    return decodeURIComponent(segments[segments.indexOf(word) + 1] ?? '');
  } catch {
    throw new AppError('usage', 'The path is not percent-encoded UTF-8', {
      hint: 'An id contains only letters, digits and -: send it unchanged.',
    });
  }
}
