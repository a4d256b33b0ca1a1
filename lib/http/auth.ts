import { createHash, timingSafeEqual } from 'node:crypto';
import { AppError } from '../errors.js';

/**
 * Demands `Authorization: Bearer <secret>`. Throws `unauthorized` otherwise. Hashes are compared, in constant time, so
 * that neither the length nor a common beginning shows.
 */
export function demandBearer(request: Request, secret: string, hint: string): void {
  const header = request.headers.get('authorization') ?? '';
  const given = /^Bearer (.+)$/i.exec(header)?.[1] ?? '';
  if (given !== '' && timingSafeEqual(digest(given), digest(secret))) return;
  throw new AppError('unauthorized', 'The request does not carry the right bearer token', { hint });
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
