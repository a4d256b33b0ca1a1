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
