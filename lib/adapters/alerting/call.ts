import { AppError } from '../../errors.js';

/** For one request with its answer, in milliseconds. */
export const TIMEOUT_MS = 8_000;

/**
 * Makes one request whose answer matters by its status alone. Neither the address nor what fetch says of it goes into
 * an error: whoever knows such an address may write to it. A redirect is no success, and would take the message elsewhere.
 */
export async function call(what: string, variable: string, url: string, init: RequestInit): Promise<void> {
  const signal = AbortSignal.timeout(TIMEOUT_MS);
  const response = await fetch(url, { ...init, redirect: 'manual', signal }).catch(() => {
    const how = signal.aborted ? `did not answer within ${TIMEOUT_MS / 1000} seconds` : 'cannot be reached';
    throw unavailable(what, variable, how, true);
  });
  await response.body?.cancel();
  if (response.ok) return;
  const { status } = response;
  const isPassing = status >= 500 || status === 429 || status === 408;
  const asked = Number(response.headers.get('retry-after'));
  throw unavailable(what, variable, `answered with status ${status}`, isPassing, asked > 0 ? asked * 1000 : undefined);
}

function unavailable(what: string, variable: string, how: string, transient: boolean, retryAfterMs?: number): AppError {
  return new AppError('alert-unavailable', `${what} ${how}`, {
    hint: `Check ${variable}. What could not be told is told again by the next guard.`,
    transient,
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  });
}
