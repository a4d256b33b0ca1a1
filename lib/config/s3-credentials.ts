type S3Name =
  'S3_REGION' | 'S3_ENDPOINT' | 'S3_ACCESS_KEY_ID' | 'S3_SECRET_ACCESS_KEY' | 'S3_SESSION_TOKEN' | 'S3_ROLE_ARN';

/** The variables of a bucket; the second store has the same with REPLICA_ before them. */
export const S3_NAMES = [
  'S3_REGION',
  'S3_ENDPOINT',
  'S3_ACCESS_KEY_ID',
  'S3_SECRET_ACCESS_KEY',
  'S3_SESSION_TOKEN',
  'S3_ROLE_ARN',
] as const satisfies readonly S3Name[];

/**
 * What is wrong with the variables of a bucket, by name. No keys at all is right: then the role is used where Vercel's
 * OIDC token is, and else what the AWS SDK finds by itself (profile, SSO, environment, metadata of the machine).
 */
export function s3CredentialProblems<P extends '' | 'REPLICA_'>(
  value: Readonly<Partial<Record<`${P}${S3Name}`, string | undefined>>>,
  prefix: P,
): [string, string][] {
  const has = (name: S3Name): boolean => value[`${prefix}${name}`] !== undefined;
  const problems: [string, string][] = [];
  if (!has('S3_REGION')) problems.push([`${prefix}S3_REGION`, 'is missing']);
  const needsKeys = has('S3_ACCESS_KEY_ID') || has('S3_SECRET_ACCESS_KEY') || has('S3_SESSION_TOKEN');
  for (const name of ['S3_ACCESS_KEY_ID', 'S3_SECRET_ACCESS_KEY'] as const) {
    if (needsKeys && !has(name)) problems.push([`${prefix}${name}`, 'is missing']);
  }
  return problems;
}
