import { absentKey, runOne } from '../redis/run-one.js';
import { deniedFieldExpiry, saysDenied } from '../snapshot/read/field-expiry.js';
import type { CompareOptions } from './compare/index.js';
import type { RestoreContext, RestoreSettings } from './context.js';

/**
 * Field expiry is compared whenever the target supports it, whatever the snapshot holds: a field that was given an
 * expiry since would vanish from a hash reported as equal. A target without support holds none. Throws `redis-denied`
 * when the target supports it and denies reading it.
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
