import { getVercelOidcTokenSync } from '@vercel/oidc';
import { fromWebToken } from '@aws-sdk/credential-provider-web-identity';
import type { Bucket, ObjectStore } from '../../ports/store.js';
import type { StoreContext, StoreSettings } from '../kind.js';
import { s3Bucket } from './bucket.js';
import type { BucketPlace } from './kind.js';
import { s3Store, type S3Credentials, type S3StoreOptions } from './store.js';
import type { S3Variables } from './errors.js';

/** Opens the bucket of an address as a store without retries. */
export function openS3(place: BucketPlace, settings: StoreSettings, context: StoreContext): ObjectStore {
  return s3Store(s3Options(place, settings, context));
}

/** Opens the bucket of an address to read and change its protections. */
export function openBucket(place: BucketPlace, settings: StoreSettings, context: StoreContext): Bucket {
  return s3Bucket(s3Options(place, settings, context));
}

function s3Options(
  { bucket, prefix }: BucketPlace,
  settings: StoreSettings,
  { clock, variables: before }: StoreContext,
): S3StoreOptions {
  const variables = `${before}S3_` as const;
  const { credentials, source } = chooseCredentials(settings, variables);
  const { S3_ENDPOINT: endpoint, S3_REGION: region = '' } = settings;
  return {
    ...{ bucket, prefix, region, credentials, credentialSource: source, variables, clock },
    ...(endpoint === undefined ? {} : { endpoint }),
  };
}

/**
 * Keys take precedence: they were set on purpose. A role can be assumed only where Vercel's token is available: in its
 * functions, and for twelve hours after `vercel env pull`. Otherwise the SDK's default chain is used.
 */
export function chooseCredentials(
  settings: StoreSettings,
  variables: S3Variables = 'S3_',
): { readonly credentials: S3Credentials; readonly source: string } {
  const { S3_ACCESS_KEY_ID: accessKeyId, S3_SECRET_ACCESS_KEY: secretAccessKey, S3_SESSION_TOKEN: session } = settings;
  if (accessKeyId !== undefined && secretAccessKey !== undefined) {
    const sessionToken = session === undefined ? {} : { sessionToken: session };
    return {
      credentials: { accessKeyId, secretAccessKey, ...sessionToken },
      source: `${variables}ACCESS_KEY_ID${session === undefined ? '' : ` and ${variables}SESSION_TOKEN`}`,
    };
  }
  const roleArn = settings.S3_ROLE_ARN;
  if (roleArn !== undefined && readVercelToken() !== null) {
    const token = (): string => readVercelToken() ?? '';
    return { credentials: awsWebIdentity({ roleArn, token }), source: `${variables}ROLE_ARN and Vercel's OIDC token` };
  }
  const profile = settings.AWS_PROFILE ?? null;
  const roleNote = roleArn === undefined ? '' : `, since Vercel's OIDC token for ${variables}ROLE_ARN is not available`;
  return {
    credentials: { chain: profile === null ? {} : { profile } },
    source: `the AWS SDK's default chain${profile === null ? '' : ` with profile ${profile}`}${roleNote}`,
  };
}

function readVercelToken(): string | null {
  try {
    // The asynchronous function renews a token over the network with the login of Vercel's command line.
    // oxlint-disable-next-line typescript/no-deprecated
    return getVercelOidcTokenSync();
  } catch {
    // There is no token.
    return null;
  }
}

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
