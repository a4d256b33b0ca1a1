import { AppError } from '../errors.js';
import type { Ports } from '../ports/index.js';
import type { RotationRequest } from './model.js';
import type { RedisPort } from '../ports/redis.js';

type Needs = Pick<Ports, 'backend' | 'clock'>;

/** A new deployment may need some time before it answers. */
const LIMIT_MS = 120_000;
const POLL_MS = 5_000;

/**
 * Tries the new values once more. An outage of GitHub is no reason for a rollback: GitHub accepted the values minutes ago, and
 * the old ones may no longer be valid.
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

/** Whether the backend is healthy; null if none is configured. An unreachable backend is not healthy. */
export async function backendHealth({ backend }: Needs): Promise<boolean | null> {
  if (!backend.configured) return null;
  return backend.healthy().catch((error: unknown) => {
    if (error instanceof AppError && error.code === 'backend-unavailable') return false;
    throw error;
  });
}

/**
 * Waits until the backend is healthy. A backend that was unhealthy before the rotation is only reported, since a rollback
 * would not help. Throws `backend-unavailable` if it was healthy before.
 */
export async function assertBackendHealthy(
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
  throw new AppError('backend-unavailable', 'The backend was healthy before, but is not with the new value', {
    hint: 'See the logs of the backend: it may need more than the new value.',
  });
}

/**
 * Asserts that a database may replace the application's: it answers and holds keys. An empty one would look to the application
 * as if all data was lost. `target`: its name, for the hint. Returns a description.
 */
export async function assertUsableDatabase(redis: RedisPort, target: string, allowEmpty: boolean): Promise<string> {
  const replies = await redis.pipeline([['PING'], ['DBSIZE']]);
  const values = replies.map((reply) => ('value' in reply ? reply.value : null));
  const keys = values[1];
  if (String(values[0]) !== 'PONG' || typeof keys !== 'number') {
    throw new AppError('redis-command', `${redis.host} does not answer PING and DBSIZE as Redis does`, {
      hint: 'Nothing was changed. Check the REST URL and token of the target; the token must be the standard one.',
    });
  }
  if (keys === 0 && !allowEmpty) {
    throw new AppError('not-restorable', `${redis.host} holds no keys`, {
      hint: `Restore into it first: \`npx soulcaster-backup restore latest --target ${target} --env-file .env\`. To start with an empty database: --allow-empty.`,
    });
  }
  return `${redis.host} answers and holds ${keys.toLocaleString('en-US')} ${keys === 1 ? 'key' : 'keys'}`;
}
