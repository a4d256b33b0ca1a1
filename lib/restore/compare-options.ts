import type { CompareOptions } from './compare/index.js';
import type { Clock } from '../ports/clock.js';
import type { RestoreContext, RestoreSettings } from './context.js';

/**
 * The expiry of fields counts wherever the target knows of it, whatever the snapshot holds: a field that was made to
 * expire since would vanish from what was called equal. A target that does not know of it can hold none.
 */
export async function compareOptions(
  clock: Clock,
  { redis }: RestoreContext,
  { inFlight }: RestoreSettings,
  signal: AbortSignal,
): Promise<CompareOptions> {
  const [probe] = await redis.pipeline([['HPEXPIRETIME', 'soulcaster-backup:no-such-key', 'FIELDS', 1, 'f']]);
  return { inFlight, fieldExpiry: probe !== undefined && 'value' in probe, signal, now: () => clock.now() };
}
