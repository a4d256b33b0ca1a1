import type { Environment } from '../app/config.js';
import { replicaEnvironment } from '../app/connect/stores.js';

/** The environment of a command that works on the first store or, with `--replica`, on the second. */
export function storeEnvironment(env: Environment, replica: boolean | undefined): Environment {
  return replica === true ? replicaEnvironment(env) : env;
}
