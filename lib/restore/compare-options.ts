import type { CompareOptions } from './compare/index.js';
import type { RestoreContext, RestoreSettings } from './context.js';

/**
 * Fields' expiry is compared when the snapshot has it and the target knows of it: a target that does not refuses to be
 * asked, and has refused a record that needs it when that was written.
 */
export async function compareOptions(
  { manifest, redis }: RestoreContext,
  { inFlight }: RestoreSettings,
  signal: AbortSignal,
): Promise<CompareOptions> {
  if (manifest.fieldExpiry === 'none') return { inFlight, fieldExpiry: false, signal };
  const [probe] = await redis.pipeline([['HPEXPIRETIME', 'soulcaster-backup:no-such-key', 'FIELDS', 1, 'f']]);
  return { inFlight, fieldExpiry: probe !== undefined && 'value' in probe, signal };
}
