import { environment } from '../config.js';
import { AppError } from '../errors.js';
import { exposition, METRICS_TYPE, metricsOf } from '../guard/status/metrics.js';
import { objectives, statusReport } from '../guard/status/report.js';
import { connectTrust } from '../connect/database.js';
import { drills } from '../restore/drill/record.js';
import { withDeployment } from './deployment.js';
import { alertRules } from '../settings.js';
import { demandAdmin, type ViewPorts } from './entry.js';
import { json } from './problem.js';
import { showProjects } from './projects.js';

/**
 * GET /api/status: 200 while the objectives are met, 503 when one is breached. Anyone learns that much; the figures, as
 * JSON or with `?format=prometheus` as metrics, are for operators. Metrics come as 200 in any case: a scrape that is
 * answered otherwise counts as failed, and its figures are thrown away.
 */
export async function showStatus(ports: ViewPorts, request: Request): Promise<Response> {
  const { searchParams } = new URL(request.url);
  demandKnown(searchParams, 'view', 'projects');
  demandKnown(searchParams, 'format', 'prometheus');
  if (searchParams.get('view') === 'projects') return showProjects(ports, environment(), request);
  const isMetrics = searchParams.get('format') === 'prometheus';
  const all = () => drills(ports.store);
  const trust = await connectTrust(environment(), ports);
  if (!isMetrics && !request.headers.has('authorization')) return answer({ state: await objectives(trust, all) });
  demandAdmin(environment(), request);
  const status = await statusReport(trust, all, alertRules(environment()));
  if (!isMetrics) return withDeployment(answer(status));
  const headers = { 'content-type': METRICS_TYPE, 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' };
  return new Response(exposition(metricsOf(status)), { headers });
}

/** Throws `invalid` for a parameter with a value that means nothing: the answer would be another than was asked for. */
function demandKnown(parameters: URLSearchParams, name: string, known: string): void {
  if (parameters.getAll(name).every((value) => value === known)) return;
  throw new AppError('invalid', `The parameter ${name} has a value that is not known`, {
    hint: `Give ${name}=${known}, or leave it out.`,
  });
}

function answer(status: { readonly state: 'ok' | 'degraded' }): Response {
  return json(status.state === 'ok' ? 200 : 503, status);
}
