import { systemClock } from '../adapters/clock.js';
import { fileStore } from '../adapters/file-store.js';
import { lazyStore } from '../adapters/lazy-store.js';
import { retryingStore } from '../adapters/retrying-store.js';
import { loadConfig, type Config, type Environment } from '../config.js';
import { replicaEnvironment } from '../config/replica-environment.js';
import { storePlace } from '../config/store-url.js';
import type { Clock, ObjectStore } from '../ports/index.js';

const clock: Clock = systemClock();

/** The store without retries: for tests of its behaviour, where a retry would hide what it does. */
export function connectPlainStore(config: Config<'store'>['store']): ObjectStore {
  const place = storePlace(config.BACKUP_STORE);
  if (place.scheme === 'file') return fileStore({ folder: place.folder, clock });
  // A quarter of a second of every start of a program that has its store in a folder.
  return lazyStore(async () => (await import('./s3.js')).connectS3(config, place, clock));
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
