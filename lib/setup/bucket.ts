import { toAppError } from '../errors.js';
import { fail, ok, warn, type CheckGroup, type Observation } from '../health/doctor.js';
import type { Bucket, Forbidden, Protection } from '../ports/bucket.js';

interface BucketWishes {
  /** On AWS. Elsewhere a bucket is open to nobody by itself, and Ceph 16 refuses writes along with it. */
  readonly blockPublicAccess: boolean;
  /** Old versions are kept for `oldVersionDays`. */
  readonly versioning: boolean;
  readonly oldVersionDays: number;
  /** Days for which nothing can be removed; null for no lock. */
  readonly lockDays: number | null;
}

/** What a bucket costs without each, and what is said when the service does not know it. */
const WITHOUT: Readonly<Record<Protection, string>> = {
  versioning: 'what is overwritten or removed is gone',
  'public-access': 'a mistaken policy could show it to everybody',
  encryption: 'objects lie in clear text on the service’s disks, unless they are encrypted with age',
  lifecycle: 'old versions stay for ever, and nothing gets smaller',
  'object-lock': 'whoever holds an administrator’s keys can destroy every snapshot',
};

/**
 * Makes the bucket where there is none, turns on what is wished, and looks again: a check each. `prove` writes as runs do: what
 * a service does not take along with a protection is found at once, and that protection is turned off again.
 */
export function bucketSetup(open: () => Bucket, prove: () => Promise<void>, wishes: BucketWishes): CheckGroup {
  const { blockPublicAccess, lockDays, oldVersionDays, versioning } = wishes;
  const protect = (protection: Protection, days: number) => ({
    name: `bucket-${protection}`,
    run: () => ensure(open(), prove, protection, days),
  });
  return [
    { name: 'bucket', run: () => make(open(), lockDays !== null) },
    ...(blockPublicAccess ? [protect('public-access', 0)] : []),
    protect('encryption', 0),
    ...(versioning ? [protect('versioning', 0), protect('lifecycle', oldVersionDays)] : []),
    ...(lockDays === null ? [] : [protect('object-lock', lockDays)]),
  ];
}

async function make(bucket: Bucket, objectLock: boolean): Promise<Observation> {
  if (await bucket.exists()) return ok('is there');
  await bucket.create({ objectLock });
  return ok('made');
}

async function ensure(
  bucket: Bucket,
  prove: () => Promise<void>,
  protection: Protection,
  days: number,
): Promise<Observation> {
  const before = await bucket.state(protection);
  if (before === 'on') return ok('on');
  const cost = WITHOUT[protection];
  const elsewhere = 'See what the service has in its place.';
  if (before === 'unsupported' || (await bucket.enable(protection, days)) === 'unsupported') {
    return warn(`the service does not know it: ${cost}`, elsewhere);
  }
  try {
    await prove();
  } catch (error) {
    await bucket.disable(protection);
    const why = toAppError(error).message;
    return warn(`turned off again, since the service takes no writes with it (${why}): ${cost}`, elsewhere);
  }
  if ((await bucket.state(protection)) === 'on') return ok('turned on');
  return fail(`was turned on, and is off all the same: ${cost}`, 'Turn it on in the console of the service.');
}

const MUST_BE_REFUSED: Readonly<Record<Forbidden, string>> = {
  'write-outside': 'write outside of the prefix',
  'remove-kept': 'remove what is never let go',
  'remove-version': 'remove old versions',
  'read-policy': 'read the policy of the bucket',
};

/** What is not tried: it could do harm where it is allowed, or reads what is not ours. */
export const NOT_TRIED = [
  'reading outside of the prefix',
  'changing the policy or the settings of the bucket',
  'deleting the bucket',
];

/** Tries what the functions' credentials must not do. `prefix`: where there is none, nothing is outside of it. */
export function refusalChecks(open: () => Bucket, prefix: string): CheckGroup[] {
  const tried = (Object.keys(MUST_BE_REFUSED) as Forbidden[]).filter(
    (what) => prefix !== '' || !what.endsWith('-outside'),
  );
  return tried.map((what) => [
    {
      name: `may-not-${what}`,
      run: async () =>
        (await open().attempt(what)) === 'refused'
          ? ok(`refused, as it should be: to ${MUST_BE_REFUSED[what]}`)
          : warn(
              `these credentials may ${MUST_BE_REFUSED[what]}`,
              'Give the functions credentials with the policy that was written, and no other.',
            ),
    },
  ]);
}
