import { getVercelOidcTokenSync } from '@vercel/oidc';
import type { Bucket } from '../../ports/bucket.js';
import type { ObjectStore } from '../../ports/store.js';
import type { StoreContext, StoreSettings } from '../kind.js';
import { s3Bucket } from './bucket.js';
import { awsWebIdentity, type S3Credentials } from './credentials.js';
import type { BucketPlace } from './kind.js';
import { s3Store, type S3StoreOptions, type S3Variables } from './store.js';

/** The bucket of an address, as a store without retries. */
export function openS3(place: BucketPlace, settings: StoreSettings, context: StoreContext): ObjectStore {
  return s3Store(s3Options(place, settings, context));
}

/** The bucket of an address, as what its protections are set on. */
export function openBucket(place: BucketPlace, settings: StoreSettings, context: StoreContext): Bucket {
  return s3Bucket(s3Options(place, settings, context));
}

function s3Options(
  { bucket, prefix }: BucketPlace,
  settings: StoreSettings,
  { clock, variables: before }: StoreContext,
): S3StoreOptions {
  const variables = `${before}S3_` as const;
  const { credentials, source } = credentialsOf(settings, variables);
  const { S3_ENDPOINT: endpoint, S3_REGION: region = '' } = settings;
  return {
    ...{ bucket, prefix, region, credentials, credentialSource: source, variables, clock },
    ...(endpoint === undefined ? {} : { endpoint }),
  };
}

/**
 * Keys win, as what was set last and on purpose. A role can be taken on only where Vercel's token is: in its functions, and
 * for twelve hours after `vercel env pull`. Everywhere else the SDK's own chain is asked.
 */
export function credentialsOf(
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
  if (roleArn !== undefined && vercelToken() !== null) {
    const token = (): string => vercelToken() ?? '';
    return { credentials: awsWebIdentity({ roleArn, token }), source: `${variables}ROLE_ARN and Vercel's OIDC token` };
  }
  const profile = settings.AWS_PROFILE ?? null;
  const without = roleArn === undefined ? '' : `, since Vercel's OIDC token for ${variables}ROLE_ARN is not here`;
  return {
    credentials: { chain: profile === null ? {} : { profile } },
    source: `the AWS SDK's default chain${profile === null ? '' : ` with profile ${profile}`}${without}`,
  };
}

function vercelToken(): string | null {
  try {
    // The other one renews a token over the network with the login of Vercel's own command line.
    // oxlint-disable-next-line typescript/no-deprecated
    return getVercelOidcTokenSync();
  } catch {
    // It throws where there is none.
    return null;
  }
}
