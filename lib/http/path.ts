import { AppError } from '../errors.js';

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
