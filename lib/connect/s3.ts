import { getVercelOidcToken } from '@vercel/oidc';
import { awsWebIdentity, type S3Credentials } from '../adapters/s3-credentials.js';
import { s3Store } from '../adapters/s3-store.js';
import type { Config } from '../config.js';
import type { Clock, ObjectStore } from '../ports/index.js';

/** The bucket that `BACKUP_STORE` names, without retries. */
export function connectS3(
  config: Config<'store'>['store'],
  { bucket, prefix }: { readonly bucket: string; readonly prefix: string },
  clock: Clock,
): ObjectStore {
  return s3Store({
    bucket,
    prefix,
    region: config.S3_REGION ?? '',
    credentials: credentials(config),
    clock,
    ...(config.S3_ENDPOINT === undefined ? {} : { endpoint: config.S3_ENDPOINT }),
  });
}

function credentials(config: Config<'store'>['store']): S3Credentials {
  if (config.S3_ROLE_ARN !== undefined)
    return awsWebIdentity({ roleArn: config.S3_ROLE_ARN, token: getVercelOidcToken });
  return { accessKeyId: config.S3_ACCESS_KEY_ID ?? '', secretAccessKey: config.S3_SECRET_ACCESS_KEY ?? '' };
}
