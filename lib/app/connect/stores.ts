import { systemClock } from '../../services/clock.js';
import { ed25519Signer, seedOf } from '../../crypto/ed25519.js';
import type { VariablePrefix } from '../../stores/kind.js';
import { openStore, placeOf, STORE_NAMES } from '../../stores/registry.js';
import { retryingStore } from '../../stores/retrying.js';
import { s3Kind, type BucketPlace } from '../../stores/s3/kind.js';
import { loadConfig, suppressAwsSdkNotices, type Config, type Environment } from '../config.js';
import { authenticatedStore } from '../../control/authenticated-store.js';
import { controlCipher, type ControlCipher } from '../../control/encryption.js';
import type { Bucket } from '../../ports/store.js';
import type { Clock, Log, ObjectStore, Signer } from '../../ports/index.js';

const clock: Clock = systemClock();

/** The store without retries, for checks of its behaviour: a retry would hide a failure. */
export function connectPlainStore(config: Config<'store'>['store'], variables: VariablePrefix = ''): ObjectStore {
  suppressAwsSdkNotices();
  return openStore(config.BACKUP_STORE, config, { clock, variables });
}

/**
 * With `replica` the environment has the second store in place of the first, for when the first is lost. The queue is left out,
 * because its functions would look for the run in the first store. Throws `config` without a second store.
 */
export function storeEnvironment(env: Environment, replica: boolean | undefined): Environment {
  if (replica !== true) return env;
  loadConfig(env, ['replica']);
  const swapped = Object.fromEntries(STORE_NAMES.map((name) => [name, env[`REPLICA_${name}`]]));
  const none = { BACKUP_REPLICA_STORE: '', QSTASH_TOKEN: '' };
  return { ...env, ...swapped, BACKUP_STORE: env['BACKUP_REPLICA_STORE'], ...none, [SECOND]: 'yes' };
}

/** Set in an environment that has the second store in place of the first. */
const SECOND = 'BACKUP_STORE_IS_SECOND';

/** Whether the environment has the second store in place of the first. */
export function hasSecondStore(env: Environment): boolean {
  return env[SECOND] === 'yes';
}

/** The second store without retries. */
export function connectPlainReplica(env: Environment): ObjectStore {
  return connectPlainStore(loadConfig(storeEnvironment(env, true), ['store']).store, 'REPLICA_');
}

/** The bucket that BACKUP_STORE names; null when it names a store of another kind. */
export function bucketPlace({ BACKUP_STORE: url }: Config<'store'>['store']): BucketPlace | null {
  return placeOf(s3Kind, url);
}

/** Whether both stores are in one bucket, by name and endpoint. */
export function sharesBucket(env: Environment): boolean {
  const bucketOf = (prefix: string): string | null => {
    const place = placeOf(s3Kind, env[prefix === '' ? 'BACKUP_STORE' : 'BACKUP_REPLICA_STORE'] ?? '');
    return place === null ? null : `${(env[`${prefix}S3_ENDPOINT`] ?? '').replace(/\/+$/, '')} ${place.bucket}`;
  };
  return bucketOf('') !== null && bucketOf('') === bucketOf('REPLICA_');
}

/** The bucket, for setting its protections. */
export async function connectBucket(config: Config<'store'>['store'], place: BucketPlace): Promise<Bucket> {
  suppressAwsSdkNotices();
  return (await import('../../stores/s3/open.js')).openBucket(place, config, { clock, variables: '' });
}

/** The second store, with retries and authenticated control state. Throws `config` if it is not fully configured. */
export function connectReplica(env: Environment, log: Log): ObjectStore {
  return { ...authenticateStore(connectPlainReplica(env), loadConfig(env, ['keys', 'control']), log), isSecond: true };
}

/** The first store, with retries and authenticated control state. */
export function connectStore(config: Config<'store' | 'keys' | 'control'>, log: Log): ObjectStore {
  return authenticateStore(connectPlainStore(config.store), config, log);
}

function authenticateStore(store: ObjectStore, config: Config<'keys' | 'control'>, log: Log): ObjectStore {
  return authenticatedStore(retryingStore(store, clock), connectSigner(config.keys), log, connectCipher(config));
}

/**
 * Control state is encrypted with the signing key or the Redis token: everyone who works on runs has these, while functions
 * have no age identity, so control state cannot be encrypted like snapshots.
 */
function connectCipher({ keys, control }: Config<'keys' | 'control'>): ControlCipher {
  const { BACKUP_AGE_RECIPIENTS: recipients, BACKUP_SIGNING_KEY: signingKey } = keys;
  const token = control.UPSTASH_REDIS_REST_TOKEN;
  return controlCipher({
    encrypts: recipients.length > 0,
    secrets: [...(signingKey === undefined ? [] : [seedOf(signingKey)]), ...(token === undefined ? [] : [token])],
  });
}

export function connectSigner(config: Config<'keys'>['keys']): Signer {
  return ed25519Signer({
    privateKey: config.BACKUP_SIGNING_KEY ?? null,
    publicKey: config.BACKUP_SIGNING_PUBLIC_KEY ?? null,
  });
}

export { generateAgeIdentity, recipientsOf } from '../../crypto/age.js';
export { generateSigningKey, publicKeyOf, publicKeysIn } from '../../crypto/ed25519.js';
