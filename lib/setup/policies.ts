import { ok, warn, type CheckGroup } from '../health/doctor.js';
import type { RedisPort } from '../ports/redis.js';
import { runOne } from '../redis/run-one.js';

/** Where snapshots are kept, as a policy names it. */
interface PolicyPlace {
  readonly bucket: string;
  /** Without slashes at its ends; empty for the whole bucket. */
  readonly prefix: string;
}

/** Folders below the prefix in which the functions remove what they wrote: traces of runs, probes, and what retention lets go. */
const REMOVABLE = ['runs', 'probe', 'snapshots', 'pruned', 'webhooks', 'drills'];

type Statement = Readonly<Record<string, unknown>>;

/** The least that the functions need in the bucket. No version is ever removed, so that none can be lost through them. */
export function iamPolicy({ bucket, prefix }: PolicyPlace): object {
  return { Version: '2012-10-17', Statement: statements({ bucket, prefix }) };
}

/** The same as a policy of the bucket, for services without policies of users: `principal` is an ARN, or `*` for all. */
export function bucketPolicy(place: PolicyPlace, principal: string): object {
  return {
    Version: '2012-10-17',
    Statement: statements(place).map((one) => ({ ...one, Principal: { AWS: [principal] } })),
  };
}

function statements({ bucket, prefix }: PolicyPlace): Statement[] {
  const root = `arn:aws:s3:::${bucket}`;
  const base = prefix === '' ? `${root}/` : `${root}/${prefix}/`;
  return [
    // Of the whole bucket: with a condition on the prefix, whoever reads an object that is not there is told 403 instead of 404.
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

/** Lets Vercel's production functions of one project take on the role, by OIDC: no lasting keys are needed. */
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

/** Cloudflare R2 has no policies of paths: a token for the objects of this one bucket is the least there is. */
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

/** The least that snapshots need: they read every key, and write none. */
const READER = '%R~* +@read +ping +info +time +eval +eval_ro +multi +exec';

/** The command that makes a database user for snapshots; a password goes in the place of PASSWORD. */
export const ACL_COMMAND = `ACL SETUSER soulcaster-backup on >PASSWORD ${READER}`;

/** What gives that user's token for the REST API, on Upstash. */
export const ACL_TOKEN_COMMAND = 'ACL RESTTOKEN soulcaster-backup PASSWORD';

/** Whether the token is refused what snapshots do not need. What it may all the same is undone. */
export function aclChecks(open: () => RedisPort, probe: string): CheckGroup {
  return [
    {
      name: 'may-not-write',
      run: async () => {
        const redis = open();
        const key = `soulcaster-backup:acl:${probe}`;
        const set = await runOne(redis, (sdk) => sdk.set(key, '1', { px: 10_000, nx: true }));
        if ('error' in set) return ok('refused, as it should be: to write');
        await runOne(redis, (sdk) => sdk.del(key));
        return warn(
          'this token may write',
          'For functions that only back up, use the token of a user made by the line above; restores need the standard token.',
        );
      },
    },
  ];
}
