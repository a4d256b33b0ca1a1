import { AppError } from '../../errors.js';
import { PAGE_BYTES } from './limits.js';

/** What a page took that a target accepted at last, by its host: it is found out once a process. */
const accepted = new Map<string, number>();
/** Below this it is not the page's size that is refused. */
const LEAST_BYTES = 16 * 1024;

/**
 * Does work with pages that the target accepts: it is done again with half the size when a request is over the limit of
 * the target's plan (from 1 MB on, and JSON makes some texts longer), so it must be work that may be done twice.
 */
export async function withFittingPages<T>(host: string, work: (pageBytes: number) => Promise<T>): Promise<T> {
  for (;;) {
    const pageBytes = accepted.get(host) ?? PAGE_BYTES;
    try {
      return await work(pageBytes);
    } catch (error) {
      const tooLarge = error instanceof AppError && error.code === 'redis-reply-too-large';
      if (!tooLarge || pageBytes <= LEAST_BYTES) throw error;
      // Another task may have halved it meanwhile.
      accepted.set(host, Math.min(accepted.get(host) ?? PAGE_BYTES, pageBytes / 2));
    }
  }
}
