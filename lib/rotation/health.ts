import { AppError } from '../errors.js';
import type { Ports } from '../ports/index.js';
import type { RotationRequest } from './model.js';

type Needs = Pick<Ports, 'backend' | 'clock'>;

/** A new deployment may need a moment before it answers, in milliseconds. */
const LIMIT_MS = 120_000;
const POLL_MS = 5_000;

/**
 * Tries the new values once more. That GitHub cannot be asked right now is no reason to go back: it has accepted them
 * minutes ago, and the old ones are as likely to be dead.
 */
export async function proveAgain(
  { clock }: Needs,
  { prove }: Pick<RotationRequest, 'prove'>,
  interrupt: AbortSignal,
): Promise<void> {
  const until = clock.now() + LIMIT_MS;
  for (;;) {
    try {
      await prove();
      return;
    } catch (error) {
      if (!(error instanceof AppError) || error.code !== 'github-unavailable') throw error;
      if (clock.now() >= until) return;
    }
    await clock.sleep(POLL_MS, interrupt);
    interrupt.throwIfAborted();
  }
}

/** Whether the backend is well; null when there is none to ask. One that cannot be reached is not well. */
export async function backendHealth({ backend }: Needs): Promise<boolean | null> {
  if (!backend.configured) return null;
  return backend.healthy().catch((error: unknown) => {
    if (error instanceof AppError && error.code === 'backend-unavailable') return false;
    throw error;
  });
}

/**
 * Waits until the backend is well. One that was not well before either is no reason to go back to what did not work: then
 * it is only told. Throws `backend-unavailable` for one that was.
 */
export async function demandHealth(
  ports: Needs,
  before: boolean | null,
  interrupt: AbortSignal,
): Promise<'healthy' | 'as-bad-as-before' | 'not-asked'> {
  const until = ports.clock.now() + LIMIT_MS;
  for (;;) {
    const now = await backendHealth(ports);
    if (now !== false) return now === null ? 'not-asked' : 'healthy';
    if (ports.clock.now() >= until) break;
    await ports.clock.sleep(POLL_MS, interrupt);
    interrupt.throwIfAborted();
  }
  if (before === false) return 'as-bad-as-before';
  throw new AppError('backend-unavailable', 'The backend was well before, and is not with the new value', {
    hint: 'Look at the logs of the backend: it may need more than the new value.',
  });
}
