import type { Environment } from '../config.js';
import { connect } from '../connect.js';
import type { ProjectPorts } from '../../monitoring/projects.js';
import { protectedDatabase } from './database.js';

/** What the figures of projects are asked of: services that are not configured are left out. */
export function connectProjects(
  env: Environment,
  ports: Pick<ProjectPorts, 'clock' | 'log' | 'signer' | 'store'>,
): ProjectPorts {
  const has = (name: string): boolean => [`${name}_URL`, `${name}_TOKEN`].every((each) => (env[each] ?? '') !== '');
  return {
    ...ports,
    own: protectedDatabase(env).source,
    redis: has('UPSTASH_REDIS_REST') ? () => connect(env, ['redis']).redis : null,
    vectors: has('UPSTASH_VECTOR_REST') ? () => connect(env, ['vectors']).vectors : null,
  };
}
