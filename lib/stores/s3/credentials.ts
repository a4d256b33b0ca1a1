import { fromWebToken } from '@aws-sdk/credential-provider-web-identity';
import type { S3ClientConfig } from '@aws-sdk/client-s3';

/**
 * Static keys, a provider of temporary ones such as `awsWebIdentity`, or the AWS SDK's default chain: AWS_ variables of
 * the process, a profile (with SSO or a process), a web identity file, the metadata service of a container or machine.
 * `chain.profile`: AWS_PROFILE of an env file, which the SDK does not read.
 */
export type S3Credentials =
  NonNullable<S3ClientConfig['credentials']> | { readonly chain: Pick<S3ClientConfig, 'profile'> };

interface WebIdentityOptions {
  /** The IAM role to assume: `arn:aws:iam::123456789012:role/name`. */
  readonly roleArn: string;
  /** The current OIDC token; called whenever the keys are renewed. */
  readonly token: () => string | Promise<string>;
  /** Address of STS, for S3-compatible services and tests. Default: AWS's own in the bucket's region. */
  readonly stsEndpoint?: string;
}

/**
 * Temporary AWS keys in exchange for an OIDC token (STS AssumeRoleWithWebIdentity), such as Vercel's token for its
 * functions. The S3 client caches the keys and renews them before they expire.
 */
export function awsWebIdentity({ roleArn, token, stsEndpoint }: WebIdentityOptions): S3Credentials {
  return async (properties) => {
    const exchange = fromWebToken({
      roleArn,
      webIdentityToken: await token(),
      roleSessionName: 'soulcaster-backup',
      // Attempts are counted in one place, by the decorator around the store.
      clientConfig: { maxAttempts: 1, ...(stsEndpoint === undefined ? {} : { endpoint: stsEndpoint }) },
    });
    return exchange(properties);
  };
}
