import { fileURLToPath } from 'node:url';
import { getVercelOidcToken } from '@vercel/oidc';
import { systemClock } from '../adapters/clock.js';
import { fileStore } from '../adapters/file-store.js';
import { retryingStore } from '../adapters/retrying-store.js';
import { awsWebIdentity, type S3Credentials } from '../adapters/s3-credentials.js';
import { s3Store } from '../adapters/s3-store.js';
import { loadConfig, type Config, type Environment } from '../config.js';
import { replicaEnvironment } from '../config/replica-environment.js';
import type { Clock, ObjectStore } from '../ports/index.js';

const clock: Clock = systemClock();

/** The store without retries: for tests of its behaviour, where a retry would hide what it does. */
export function connectPlainStore(config: Config<'store'>['store']): ObjectStore {
  const target = new URL(config.BACKUP_STORE);
  if (target.protocol === 'file:') return fileStore({ folder: fileURLToPath(target), clock });
  return s3Store({
    bucket: target.hostname,
    prefix: decodeURIComponent(target.pathname),
    region: config.S3_REGION ?? '',
    credentials: s3Credentials(config),
    clock,
    ...(config.S3_ENDPOINT === undefined ? {} : { endpoint: config.S3_ENDPOINT }),
  });
}

/** The second store, as `connectReplica` gives it, without retries. */
export function connectPlainReplica(env: Environment): ObjectStore {
  return connectPlainStore(loadConfig(replicaEnvironment(env), ['store']).store);
}

/** The second store. Throws `config` when it is not set, or not completely. */
export function connectReplica(env: Environment): ObjectStore {
  return retryingStore(connectPlainReplica(env), clock);
}

/** The first store, with retries. */
export function connectStore(config: Config<'store'>['store']): ObjectStore {
  return retryingStore(connectPlainStore(config), clock);
}

function s3Credentials(config: Config<'store'>['store']): S3Credentials {
  if (config.S3_ROLE_ARN !== undefined)
    return awsWebIdentity({ roleArn: config.S3_ROLE_ARN, token: getVercelOidcToken });
  return { accessKeyId: config.S3_ACCESS_KEY_ID ?? '', secretAccessKey: config.S3_SECRET_ACCESS_KEY ?? '' };
}
