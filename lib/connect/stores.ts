import { systemClock } from '../adapters/clock.js';
import { ed25519Signer, seedOf } from '../adapters/ed25519-signer.js';
import { fileStore } from '../adapters/file-store.js';
import { lazyStore } from '../adapters/lazy-store.js';
import { retryingStore } from '../adapters/retrying-store.js';
import { loadConfig, type Config, type Environment } from '../config.js';
import { replicaEnvironment } from '../config/replica-environment.js';
import { storePlace } from '../config/store-url.js';
import { authenticatedStore } from '../control/authenticated-store.js';
import { controlCipher, type ControlCipher } from '../control/cipher.js';
import type { Clock, Log, ObjectStore, Signer } from '../ports/index.js';

const clock: Clock = systemClock();

/** The store without retries: for tests of its behaviour, where a retry would hide what it does. */
export function connectPlainStore(
  config: Config<'store'>['store'],
  variables: 'S3_' | 'REPLICA_S3_' = 'S3_',
): ObjectStore {
  const place = storePlace(config.BACKUP_STORE);
  if (place.scheme === 'file') return fileStore({ folder: place.folder, clock });
  // A quarter of a second of every start of a program that has its store in a folder.
  return lazyStore(async () => (await import('./s3.js')).connectS3(config, place, clock, variables));
}

/** The second store, as `connectReplica` gives it, without retries. */
export function connectPlainReplica(env: Environment): ObjectStore {
  return connectPlainStore(loadConfig(replicaEnvironment(env), ['store']).store, 'REPLICA_S3_');
}

/** The second store, with retries and authenticated control state. Throws `config` when it is not set, or not completely. */
export function connectReplica(env: Environment, log: Log): ObjectStore {
  return authenticated(connectPlainReplica(env), loadConfig(env, ['keys', 'control']), log);
}

/** The first store, with retries and authenticated control state. */
export function connectStore(config: Config<'store' | 'keys' | 'control'>, log: Log): ObjectStore {
  return authenticated(connectPlainStore(config.store), config, log);
}

function authenticated(store: ObjectStore, config: Config<'keys' | 'control'>, log: Log): ObjectStore {
  return authenticatedStore(retryingStore(store, clock), connectSigner(config.keys), log, connectCipher(config));
}

/**
 * Control state is encrypted with what functions and operators have who move runs: they hold no identity, so that it cannot
 * be encrypted as snapshots are.
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
