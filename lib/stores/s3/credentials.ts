import { fromWebToken } from '@aws-sdk/credential-provider-web-identity';
import type { S3ClientConfig } from '@aws-sdk/client-s3';

/**
 * Static keys, a provider that hands out temporary ones, as `awsWebIdentity` makes it, or what the AWS SDK finds by itself:
 * AWS_ variables of the process, a profile (with SSO or a process), a web identity file, the metadata service of a
 * container or machine. `chain.profile`: AWS_PROFILE of an env file, which the SDK does not see.
 */
export type S3Credentials =
  NonNullable<S3ClientConfig['credentials']> | { readonly chain: Pick<S3ClientConfig, 'profile'> };

interface WebIdentityOptions {
  /** The IAM role to take on: `arn:aws:iam::123456789012:role/name`. */
  readonly roleArn: string;
  /** The OIDC token of this very moment; asked for again whenever the keys are renewed. */
  readonly token: () => string | Promise<string>;
  /** Where STS answers, for S3-compatible services and tests; AWS's own in the bucket's region when left out. */
  readonly stsEndpoint?: string;
}

/**
 * Temporary AWS keys in exchange for an OIDC token (STS AssumeRoleWithWebIdentity), such as the one that Vercel gives
 * to its functions. The S3 client caches them and renews them before they expire.
 */
export function awsWebIdentity({ roleArn, token, stsEndpoint }: WebIdentityOptions): S3Credentials {
  return async (properties) => {
    const exchange = fromWebToken({
      roleArn,
      webIdentityToken: await token(),
      roleSessionName: 'soulcaster-backup',
      // Tries are counted in one place, by the decorator around the store.
      clientConfig: { maxAttempts: 1, ...(stsEndpoint === undefined ? {} : { endpoint: stsEndpoint }) },
    });
    return exchange(properties);
  };
}
