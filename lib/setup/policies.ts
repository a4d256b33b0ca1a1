import { ok, warn, type CheckGroup } from '../health/doctor.js';
import type { RedisPort } from '../ports/redis.js';
import { runOne } from '../redis/run-one.js';

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
  return [
    {
      name: 'may-not-write',
      run: async () => {
        const redis = open();
        const key = `soulcaster-backup:acl:${probe}`;
        const set = await runOne(redis, (sdk) => sdk.set(key, '1', { px: 10_000, nx: true }));
        if ('error' in set) return ok('refused, as it should be: write');
        await runOne(redis, (sdk) => sdk.del(key));
        return warn(
          'this token may write',
          'For functions that only back up, use the token of a user created by the command above; restores need the standard token.',
        );
      },
    },
  ];
}
