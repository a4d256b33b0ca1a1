import { environment, type Environment } from '../app/config.js';
import { AppError } from '../errors.js';
import { renderMetrics, METRICS_TYPE, metricsOf } from '../monitoring/status/metrics.js';
import { publicState, type PublicState } from '../monitoring/status/public-state.js';
import { statusReport } from '../monitoring/status/report.js';
import { connectTrust, protectedDatabase, deploymentOf } from '../app/connect/database.js';
import { liveServices } from '../app/live-services.js';
import { drills } from '../restore/drill/record.js';
import { withDeployment } from './deployment.js';
import { alertRules } from '../app/settings.js';
import { demandAdmin, type ViewPorts } from './entry.js';
import { json } from './problem.js';
import { connectProjects } from '../app/connect/projects.js';
import { projectFigures } from '../monitoring/projects.js';

/**
 * GET /api/status: 200 while all four answers are ok, 503 when one is not or is not known. Anyone learns that much, as it
 * was within the last minute; the figures, with the services tried at this moment, as JSON or with `?format=prometheus` as
 * metrics, are for operators. Metrics come as 200 in any case: a scrape that is
 * answered otherwise counts as failed, and its figures are thrown away.
 */
export async function showStatus(ports: ViewPorts, request: Request): Promise<Response> {
  const { searchParams } = new URL(request.url);
  demandKnown(searchParams, 'view', 'projects');
  demandKnown(searchParams, 'format', 'prometheus');
  const isMetrics = searchParams.get('format') === 'prometheus';
  if (searchParams.get('view') === 'projects') {
    if (isMetrics) {
      throw new AppError('invalid', 'The view of the projects has no metrics', {
        hint: 'Give view=projects or format=prometheus, not both.',
      });
    }
    return showProjects(ports, environment(), request);
  }
  const own = protectedDatabase(environment()).source;
  const all = () => drills(ports.store, own);
  const rules = alertRules(environment());
  if (!isMetrics && !request.headers.has('authorization')) {
    const compute = async () =>
      statusReport(await connectTrust(environment(), ports), all, rules, liveServices(environment()));
    return answer(labelled(await publicState({ ...ports, own }, compute)));
  }
  demandAdmin(environment(), request);
  const trust = await connectTrust(environment(), ports);
  const status = await statusReport(trust, all, rules, liveServices(environment()));
  if (!isMetrics) return withDeployment(answer(status));
  const headers = { 'content-type': METRICS_TYPE, 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' };
  return new Response(renderMetrics(metricsOf(status)), { headers });
}

/** What anybody is told where not even that much can be found out. */
export function statusUnknown(): Response {
  return answer(labelled({ state: 'unknown', at: null }));
}

/** `GET /api/status` without a token. */
export type PublicStatus = PublicState & { readonly label: string | null };

/** With BACKUP_LABEL, so that the sign-in says whose it is; host and bucket are for operators. */
function labelled(state: PublicState): PublicStatus {
  return { ...state, label: deploymentOf(environment()).label };
}

/** Throws `invalid` for a parameter with a value that means nothing: the answer would be another than was asked for. */
function demandKnown(parameters: URLSearchParams, name: string, known: string): void {
  if (parameters.getAll(name).every((value) => value === known)) return;
  throw new AppError('invalid', `The parameter ${name} has a value that is not known`, {
    hint: `Give ${name}=${known}, or leave it out.`,
  });
}

function answer(status: Pick<PublicState, 'state'>): Response {
  return json(status.state === 'ok' ? 200 : 503, status);
}

/** GET /api/status?view=projects: what there is of each project, for operators. Always 200: a part that cannot be had is named. */
async function showProjects(ports: ViewPorts, env: Environment, request: Request): Promise<Response> {
  demandAdmin(env, request);
  const figures = await projectFigures(connectProjects(env, ports));
  return withDeployment(json(200, figures));
}
