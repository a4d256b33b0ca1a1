import { toAppError } from '../errors.js';
import { fail, ok, warn, type CheckGroup, type Observation } from '../health/doctor.js';
import type { Bucket, Forbidden, Protection } from '../ports/store.js';

interface BucketSettings {
  /** True on AWS only: elsewhere a bucket is private by default, and Ceph 16 refuses writes while it is on. */
  readonly blockPublicAccess: boolean;
  /** Keeps old versions for `oldVersionDays`. */
  readonly versioning: boolean;
  readonly oldVersionDays: number;
  /** Days for which no object can be removed; null for no lock. */
  readonly lockDays: number | null;
}

/** The risk of a bucket without each protection, shown when the service does not support the protection. */
const COST_WITHOUT: Readonly<Record<Protection, string>> = {
  versioning: 'objects that are overwritten or removed cannot be recovered',
  'public-access': 'a wrong policy could make the bucket public',
  encryption: 'objects are stored unencrypted on the service’s disks, unless age encrypts them',
  lifecycle: 'old versions are never removed, and keep using storage',
  'object-lock': 'anyone with an administrator’s keys can destroy every snapshot',
};

/**
 * Creates the bucket if it does not exist, turns on each protection and verifies it, one check for each. `probeWrites` writes
 * as runs do: a protection with which the service refuses these writes is turned off again.
 */
export function bucketSetupChecks(
  open: () => Bucket,
  probeWrites: () => Promise<void>,
  settings: BucketSettings,
): CheckGroup {
  const { blockPublicAccess, lockDays, oldVersionDays, versioning } = settings;
  const protect = (protection: Protection, days: number) => ({
    name: `bucket-${protection}`,
    run: () => ensureProtection(open(), probeWrites, protection, days),
  });
  return [
    { name: 'bucket', run: () => ensureBucket(open(), lockDays !== null) },
    ...(blockPublicAccess ? [protect('public-access', 0)] : []),
    protect('encryption', 0),
    ...(versioning ? [protect('versioning', 0), protect('lifecycle', oldVersionDays)] : []),
    ...(lockDays === null ? [] : [protect('object-lock', lockDays)]),
  ];
}

async function ensureBucket(bucket: Bucket, objectLock: boolean): Promise<Observation> {
  if (await bucket.exists()) return ok('exists');
  await bucket.create({ objectLock });
  return ok('created');
}

async function ensureProtection(
  bucket: Bucket,
  probeWrites: () => Promise<void>,
  protection: Protection,
  days: number,
): Promise<Observation> {
  const before = await bucket.state(protection);
  if (before === 'on') return ok('on');
  const cost = COST_WITHOUT[protection];
  const hint = 'See what the service offers instead.';
  if (before === 'unsupported' || (await bucket.enable(protection, days)) === 'unsupported') {
    return warn(`the service does not support it: ${cost}`, hint);
  }
  try {
    await probeWrites();
  } catch (error) {
    await bucket.disable(protection);
    const why = toAppError(error).message;
    return warn(`turned off again, because the service refuses writes with it (${why}): ${cost}`, hint);
  }
  if ((await bucket.state(protection)) === 'on') return ok('turned on');
  return fail(`was turned on, but is still off: ${cost}`, 'Turn it on in the console of the service.');
}

const MUST_BE_REFUSED: Readonly<Record<Forbidden, string>> = {
  'write-outside': 'write outside the prefix',
  'remove-kept': 'remove objects that are never removed',
  'remove-version': 'remove old versions',
  'read-policy': 'read the policy of the bucket',
};

/** Operations that are not tried: they could do harm if allowed, or would read data of others. */
export const NOT_TRIED = [
  'reading outside the prefix',
  'changing the policy or the settings of the bucket',
  'deleting the bucket',
];

/** Tries operations that the functions' credentials must be refused. Without a `prefix`, no object is outside it. */
export function refusalChecks(open: () => Bucket, prefix: string): CheckGroup[] {
  const tried = (Object.keys(MUST_BE_REFUSED) as Forbidden[]).filter(
    (what) => prefix !== '' || !what.endsWith('-outside'),
  );
  return tried.map((what) => [
    {
      name: `may-not-${what}`,
      run: async () =>
        (await open().attempt(what)) === 'refused'
          ? ok(`refused, as it should be: ${MUST_BE_REFUSED[what]}`)
          : warn(
              `these credentials may ${MUST_BE_REFUSED[what]}`,
              'Give the functions credentials with the written policy and no other.',
            ),
    },
  ]);
}
