import { AppError } from '../errors.js';
import { absentKey } from '../redis/absent-key.js';
import { holdsKey } from '../redis/holds-key.js';
import { runOne } from '../redis/run-one.js';
import type { RestorePorts } from './context.js';
import type { RestoreInput } from './model.js';

/** For how long the key may stay that a restore which died has tried its target with, in milliseconds. */
const PROBE_MS = 60_000;

/**
 * Throws `usage` for a target that is the protected database by another name: what is set in the one is there in the other. Where
 * the protected one does not answer, which is what targets are for, it cannot be told.
 */
export async function demandAnother(ports: RestorePorts, { target, trigger }: RestoreInput): Promise<void> {
  if (target === null || trigger === 'drill') return;
  const [there, own] = [ports.redisOf(target), ports.redisOf(null)];
  const key = absentKey();
  // A target that takes no writes says so later, in the words of what was to be written; so does what fails here.
  const quietly = () => undefined;
  await runOne(there, (sdk) => sdk.set(key, '1', { px: PROBE_MS })).catch(quietly);
  const isSame = await holdsKey(own, key);
  await runOne(there, (sdk) => sdk.del(key)).catch(quietly);
  if (!isSame) return;
  throw new AppError(
    'usage',
    `Target ${target} is the very database that is backed up, by another name: ${there.host}. Nothing was written`,
    {
      hint: 'Leave the target out to restore into it, or set the variables of the target to another database.',
    },
  );
}
