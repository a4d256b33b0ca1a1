import { AppError } from '../errors.js';

/** A whole number from 1 to `most`. Throws `invalid`. */
export function numberOf(params: URLSearchParams, name: string, fallback: number, most: number): number {
  const [text = String(fallback), ...others] = params.getAll(name);
  const value = /^[1-9]\d{0,5}$/.test(text) ? Number(text) : 0;
  if (value >= 1 && value <= most && others.length === 0) return value;
  throw new AppError('invalid', `${name} is no number that is allowed`, {
    hint: `Give it as a whole number from 1 to ${most}, or leave it out for ${fallback}.`,
  });
}

/** What Vercel itself takes from a query, such as the way past its protection. */
const VERCELS = /^(?:x-vercel-|_vercel_)/;

/**
 * Throws `invalid` for any parameter but these: a name that is misspelt must not mean everything. `once`: those that may be given one
 * time alone, since nobody could tell which of two is meant.
 */
export function demandOnly(
  params: URLSearchParams,
  once: readonly string[] = [],
  oftener: readonly string[] = [],
): void {
  const names = [...params.keys()].filter((name) => !VERCELS.test(name));
  const known = [...once, ...oftener];
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

/** A parameter that is `true` or `false`; false where it is left out. Throws `invalid`. */
export function flagOf(params: URLSearchParams, name: string): boolean {
  const text = params.get(name) ?? 'false';
  if (text === 'true' || text === 'false') return text === 'true';
  throw new AppError('invalid', `${name} is neither true nor false`, {
    hint: `Give ${name}=true, or leave it out.`,
  });
}

/** The segment of the request's path that follows `word`, decoded. Throws `usage` for what is no percent-encoded UTF-8. */
export function segmentAfter(word: string, request: Request): string {
  const segments = new URL(request.url).pathname.split('/');
  try {
    return decodeURIComponent(segments[segments.indexOf(word) + 1] ?? '');
  } catch {
    // The error is not passed on: it adds nothing.
    throw new AppError('usage', 'The path is not percent-encoded UTF-8', {
      hint: 'An id is letters, digits and - alone: send it as it was given.',
    });
  }
}
