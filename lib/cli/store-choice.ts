import type { Environment } from '../config.js';
import { replicaEnvironment } from '../config/replica-environment.js';

/** The environment of a command that works on the first store or, with `--replica`, on the second. */
export function storeEnvironment(env: Environment, replica: boolean | undefined): Environment {
  return replica === true ? replicaEnvironment(env) : env;
}
