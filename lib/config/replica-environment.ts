import { loadConfig, type Environment } from '../config.js';
import { S3_NAMES } from './s3-credentials.js';

/**
 * The environment with the second store in the place of the first, for when that one is gone. Without the queue: the
 * functions at its other end would look for the run in the first store. Throws `config` when there is none.
 */
export function replicaEnvironment(env: Environment): Environment {
  loadConfig(env, ['replica']);
  const swapped = Object.fromEntries(S3_NAMES.map((name) => [name, env[`REPLICA_${name}`]]));
  return { ...env, ...swapped, BACKUP_STORE: env['BACKUP_REPLICA_STORE'], BACKUP_REPLICA_STORE: '', QSTASH_TOKEN: '' };
}
