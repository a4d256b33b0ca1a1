import { getVercelOidcTokenSync } from '@vercel/oidc';
import { awsDefaultChain, awsWebIdentity, type S3Credentials } from '../adapters/s3-credentials.js';
import { s3Store, type S3Variables } from '../adapters/s3-store.js';
import { silenceVendorNotices, type Config } from '../config.js';
import type { Clock, ObjectStore } from '../ports/index.js';

type StoreConfig = Config<'store'>['store'];

/** The bucket that `BACKUP_STORE` names, without retries. `variables`: what its settings are called in messages. */
export function connectS3(
  config: StoreConfig,
  { bucket, prefix }: { readonly bucket: string; readonly prefix: string },
  clock: Clock,
  variables: S3Variables,
): ObjectStore {
  silenceVendorNotices();
  const { credentials, source } = credentialsOf(config, variables);
  return s3Store({
    bucket,
    prefix,
    region: config.S3_REGION ?? '',
    credentials,
    credentialSource: source,
    variables,
    clock,
    ...(config.S3_ENDPOINT === undefined ? {} : { endpoint: config.S3_ENDPOINT }),
  });
}

/**
 * Keys win, as what was set last and on purpose. A role can be taken on only where Vercel's token is: in its functions, and
 * for twelve hours after `vercel env pull`. Everywhere else the SDK's own chain is asked.
 */
export function credentialsOf(
  config: StoreConfig,
  variables: S3Variables = 'S3_',
): { readonly credentials: S3Credentials; readonly source: string } {
  const { S3_ACCESS_KEY_ID: accessKeyId, S3_SECRET_ACCESS_KEY: secretAccessKey, S3_SESSION_TOKEN: session } = config;
  if (accessKeyId !== undefined && secretAccessKey !== undefined) {
    const sessionToken = session === undefined ? {} : { sessionToken: session };
    return {
      credentials: { accessKeyId, secretAccessKey, ...sessionToken },
      source: `${variables}ACCESS_KEY_ID${session === undefined ? '' : ` and ${variables}SESSION_TOKEN`}`,
    };
  }
  const roleArn = config.S3_ROLE_ARN;
  if (roleArn !== undefined && vercelToken() !== null) {
    const token = (): string => vercelToken() ?? '';
    return { credentials: awsWebIdentity({ roleArn, token }), source: `${variables}ROLE_ARN and Vercel's OIDC token` };
  }
  const profile = config.AWS_PROFILE ?? null;
  const without = roleArn === undefined ? '' : `, since Vercel's OIDC token for ${variables}ROLE_ARN is not here`;
  return {
    credentials: awsDefaultChain(profile),
    source: `the AWS SDK's default chain${profile === null ? '' : ` with profile ${profile}`}${without}`,
  };
}

function vercelToken(): string | null {
  try {
    // The other one renews a token over the network with the login of Vercel's own command line.
    // eslint-disable-next-line @typescript-eslint/no-deprecated
    return getVercelOidcTokenSync();
  } catch {
    // It throws where there is none.
    return null;
  }
}
