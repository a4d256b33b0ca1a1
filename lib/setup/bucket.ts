import { toAppError } from '../errors.js';
import { groupOf, fail, ok, warn, type CheckGroup, type Observation } from '../health/doctor.js';
import type { Bucket, Forbidden, Protection } from '../ports/store.js';
import type { RedisPort } from '../ports/redis.js';
import { runOne } from '../redis/run-one.js';

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
  return tried.map((what) =>
    groupOf(`may-not-${what}`, async () =>
      (await open().attempt(what)) === 'refused'
        ? ok(`refused, as it should be: ${MUST_BE_REFUSED[what]}`)
        : warn(
            `these credentials may ${MUST_BE_REFUSED[what]}`,
            'Give the functions credentials with the written policy and no other.',
          ),
    ),
  );
}

/** The location of the snapshots, as policies name it. */
interface PolicyPlace {
  readonly bucket: string;
  /** Without leading or trailing slash; empty for the whole bucket. */
  readonly prefix: string;
}

/** Folders below the prefix in which the functions remove objects: state of runs, probes, and what retention removes. */
const REMOVABLE = ['runs', 'probe', 'snapshots', 'pruned', 'webhooks', 'drills'];

type Statement = Readonly<Record<string, unknown>>;

/** The least privileges that the functions need in the bucket. They may not remove versions, so they cannot lose any. */
export function iamPolicy({ bucket, prefix }: PolicyPlace): object {
  return { Version: '2012-10-17', Statement: policyStatements({ bucket, prefix }) };
}

/** The same as a bucket policy, for services without user policies: `principal` is an ARN, or `*` for everyone. */
export function bucketPolicy(place: PolicyPlace, principal: string): object {
  return {
    Version: '2012-10-17',
    Statement: policyStatements(place).map((one) => ({ ...one, Principal: { AWS: [principal] } })),
  };
}

function policyStatements({ bucket, prefix }: PolicyPlace): Statement[] {
  const root = `arn:aws:s3:::${bucket}`;
  const base = prefix === '' ? `${root}/` : `${root}/${prefix}/`;
  return [
    // On the whole bucket: with a condition on the prefix, reading an object that does not exist gives 403 instead of 404.
    { Sid: 'ListSnapshots', Effect: 'Allow', Action: ['s3:ListBucket'], Resource: [root] },
    { Sid: 'ReadAndWriteSnapshots', Effect: 'Allow', Action: ['s3:GetObject', 's3:PutObject'], Resource: [`${base}*`] },
    {
      Sid: 'RemoveWhatIsLetGo',
      Effect: 'Allow',
      Action: ['s3:DeleteObject'],
      Resource: REMOVABLE.map((folder) => `${base}${folder}/*`),
    },
  ];
}

/** Lets the production functions of one Vercel project assume the role over OIDC, so that no long-lived keys are needed. */
export function trustPolicy(names: {
  readonly account: string;
  readonly team: string;
  readonly project: string;
}): object {
  const issuer = `oidc.vercel.com/${names.team}`;
  return {
    Version: '2012-10-17',
    Statement: [
      {
        Effect: 'Allow',
        Principal: { Federated: `arn:aws:iam::${names.account}:oidc-provider/${issuer}` },
        Action: 'sts:AssumeRoleWithWebIdentity',
        Condition: {
          StringEquals: {
            [`${issuer}:aud`]: `https://vercel.com/${names.team}`,
            [`${issuer}:sub`]: `owner:${names.team}:project:${names.project}:environment:production`,
          },
        },
      },
    ],
  };
}

/** Cloudflare R2 has no path policies: a token for the objects of this one bucket is the least privilege it offers. */
export function r2TokenPolicy({ bucket }: PolicyPlace, account: string): object {
  return {
    name: `soulcaster-backup ${bucket}`,
    policies: [
      {
        effect: 'allow',
        permission_groups: [
          { name: 'Workers R2 Storage Bucket Item Write' },
          { name: 'Workers R2 Storage Bucket Item Read' },
        ],
        resources: { [`com.cloudflare.edge.r2.bucket.${account}_default_${bucket}`]: '*' },
      },
    ],
  };
}

/** The least privileges that snapshots need: they read every key and write none. */
const READ_ONLY_RULES = '%R~* +@read +ping +info +time +eval +eval_ro +multi +exec';

/** The command that creates a database user for snapshots; replace PASSWORD. */
export const ACL_COMMAND = `ACL SETUSER soulcaster-backup on >PASSWORD ${READ_ONLY_RULES}`;

/** The command that returns that user's token for Upstash's REST API. */
export const ACL_TOKEN_COMMAND = 'ACL RESTTOKEN soulcaster-backup PASSWORD';

/** Checks that the token may not write, which snapshots do not need. A key written by the probe is removed. */
export function aclChecks(open: () => RedisPort, probe: string): CheckGroup {
  return groupOf('may-not-write', async () => {
    const redis = open();
    const key = `soulcaster-backup:acl:${probe}`;
    const set = await runOne(redis, (sdk) => sdk.set(key, '1', { px: 10_000, nx: true }));
    if ('error' in set) return ok('refused, as it should be: write');
    await runOne(redis, (sdk) => sdk.del(key));
    return warn(
      'this token may write',
      'For functions that only back up, use the token of a user created by the command above; restores need the standard token.',
    );
  });
}
