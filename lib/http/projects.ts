import type { Environment } from '../config.js';
import { connect } from '../connect.js';
import { protectedDatabase } from '../connect/database.js';
import { projectFigures } from '../guard/projects.js';
import { withDeployment } from './deployment.js';
import { demandAdmin, type ViewPorts } from './entry.js';
import { json } from './problem.js';

/** GET /api/status?view=projects: what there is of each project, for operators. Always 200: a part that cannot be had is named. */
export async function showProjects(ports: ViewPorts, env: Environment, request: Request): Promise<Response> {
  demandAdmin(env, request);
  const has = (name: string): boolean => [`${name}_URL`, `${name}_TOKEN`].every((each) => (env[each] ?? '') !== '');
  const redis = has('UPSTASH_REDIS_REST') ? () => connect(env, ['redis']).redis : null;
  const vectors = has('UPSTASH_VECTOR_REST') ? () => connect(env, ['vectors']).vectors : null;
  const figures = await projectFigures({ ...ports, own: protectedDatabase(env).source, redis, vectors });
  return withDeployment(json(200, figures));
}
