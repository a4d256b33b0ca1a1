import { isSet, type Environment } from '../config.js';
import { connect } from '../connect.js';
import type { ProjectPorts } from '../../monitoring/projects.js';
import { protectedDatabase } from './database.js';

/** The services that figures of projects are read from; null for those that are not configured. */
export function connectProjects(
  env: Environment,
  ports: Pick<ProjectPorts, 'clock' | 'log' | 'signer' | 'store'>,
): ProjectPorts {
  const hasService = (name: string): boolean => isSet(env, `${name}_URL`) && isSet(env, `${name}_TOKEN`);
  return {
    ...ports,
    own: protectedDatabase(env).source,
    redis: hasService('UPSTASH_REDIS_REST') ? () => connect(env, ['redis']).redis : null,
    vectors: hasService('UPSTASH_VECTOR_REST') ? () => connect(env, ['vectors']).vectors : null,
  };
}
