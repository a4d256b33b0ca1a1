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

/** Throws `invalid` for any other parameter: a name that is misspelt must not mean everything. */
export function demandOnly(params: URLSearchParams, names: readonly string[]): void {
  const unknown = [...params.keys()].find((name) => !names.includes(name));
  if (unknown === undefined) return;
  throw new AppError('invalid', `There is no parameter ${JSON.stringify(unknown.slice(0, 40))}`, {
    hint: `This address takes ${names.join(', ')}.`,
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
