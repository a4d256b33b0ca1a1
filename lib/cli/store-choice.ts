import type { Environment } from '../app/config.js';
import { replicaEnvironment } from '../app/connect/stores.js';

/** The environment of a command: with `--replica`, the second store takes the place of the first. */
export function storeEnvironment(env: Environment, replica: boolean | undefined): Environment {
  return replica === true ? replicaEnvironment(env) : env;
}
