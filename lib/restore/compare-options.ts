import { absentKey } from '../redis/absent-key.js';
import { runOne } from '../redis/run-one.js';
import { deniedFieldExpiry, saysDenied } from '../snapshot/read/field-expiry.js';
import type { CompareOptions } from './compare/index.js';
import type { RestoreContext, RestoreSettings } from './context.js';

/**
 * The expiry of fields counts wherever the target knows of it, whatever the snapshot holds: a field that was made to
 * expire since would vanish from what was called equal. A target that does not know of it can hold none. Throws `redis-denied`
 * where it knows and does not say.
 */
export async function compareOptions(
  { now, redis }: RestoreContext,
  { inFlight }: RestoreSettings,
  signal: AbortSignal,
): Promise<CompareOptions> {
  const probe = await runOne(redis, (sdk) => sdk.hpexpiretime(absentKey(), 'f'));
  if (saysDenied(probe)) throw deniedFieldExpiry();
  return { inFlight, fieldExpiry: 'value' in probe, signal, now };
}
