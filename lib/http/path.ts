import { AppError } from '../errors.js';

/** The last segment of the request's path, decoded. Throws `usage` for what is no percent-encoded UTF-8. */
export function lastSegment(request: Request): string {
  const [segment = ''] = new URL(request.url).pathname.split('/').slice(-1);
  try {
    return decodeURIComponent(segment);
  } catch {
    // The error is not passed on: it adds nothing.
    throw new AppError('usage', 'The path is not percent-encoded UTF-8', {
      hint: 'An id is letters, digits and - alone: send it as it was given.',
    });
  }
}
