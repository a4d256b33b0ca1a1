import { AppError } from '../../errors.js';
import type { Reachable } from '../../ports/reachable.js';

const TIMEOUT_MS = 10_000;

/**
 * Connects to the host of an address and asks for its root, never for the address itself: a receiver would take that for a
 * message or a sign of life. Whatever answers is enough.
 */
export function reachable(url: string, timeoutMs = TIMEOUT_MS): Reachable {
  return {
    async reach() {
      const signal = AbortSignal.timeout(timeoutMs);
      try {
        const response = await fetch(new URL('/', url), { method: 'HEAD', redirect: 'manual', signal });
        await response.body?.cancel();
      } catch (error) {
        const how = signal.aborted
          ? `does not answer within ${timeoutMs / 1000} seconds`
          : `cannot be reached (${codeOf(error)})`;
        throw new AppError('alert-unavailable', `The host of the alert webhook ${how}`, {
          hint: 'Correct ALERT_WEBHOOK_URL, or see the status page of the receiver.',
        });
      }
    },
  };
}

function codeOf(error: unknown): string {
  const { code } = ((error as { cause?: unknown }).cause ?? {}) as { code?: unknown };
  return typeof code === 'string' ? code : 'network error';
}
