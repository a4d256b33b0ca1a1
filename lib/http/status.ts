import { z } from 'zod';
import { environment, type Environment } from '../app/config.js';
import { AppError } from '../errors.js';
import { renderMetrics, METRICS_TYPE, metricsOf, unknownMetrics, type Metric } from '../monitoring/status/metrics.js';
import { publicState, type PublicState } from '../monitoring/status/public-state.js';
import { statusReport } from '../monitoring/status/report.js';
import { connectTrust, protectedDatabase, deploymentOf } from '../app/connect/database.js';
import { liveServices, connectProjects } from '../app/live-services.js';
import { drills } from '../restore/drill/record.js';
import { json } from './responses.js';
import { alertRules } from '../app/settings.js';
import { assertAdmin, type ViewPorts } from './entry.js';
import { projectFigures } from '../monitoring/projects.js';
import { connect } from '../app/connect.js';
import { acknowledgeAlerts } from '../monitoring/alerts/acknowledge.js';
import { sendTestAlert } from '../monitoring/alerts/messages.js';
import { assertNoBody, parseBody, readBody } from './requests.js';

/**
 * GET /api/status: 200 while all four answers are ok, 503 if one is not ok or unknown. Anyone may see that state, as of the
 * last minute. The figures, with services tried now, are for operators: as JSON, or as metrics with `?format=prometheus`.
 * Metrics always have status 200: another status makes the scrape fail, and its figures are dropped.
 */
export async function showStatus(ports: ViewPorts, request: Request): Promise<Response> {
  const { searchParams } = new URL(request.url);
  assertKnownValue(searchParams, 'view', 'projects');
  assertKnownValue(searchParams, 'format', 'prometheus');
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
    return respond(withLabel(await publicState({ ...ports, own }, compute)));
  }
  assertAdmin(environment(), request);
  const trust = await connectTrust(environment(), ports);
  const status = await statusReport(trust, all, rules, liveServices(environment()));
  return isMetrics ? respondMetrics(metricsOf(status)) : respond(status);
}

function respondMetrics(metrics: readonly Metric[]): Response {
  const headers = { 'content-type': METRICS_TYPE, 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' };
  return new Response(renderMetrics(metrics), { headers });
}

/** Answer to an operator's request for metrics if the status cannot be computed; null for another request. */
export function metricsUnknown({ url }: Request): Response | null {
  return new URL(url).searchParams.get('format') === 'prometheus' ? respondMetrics(unknownMetrics()) : null;
}

/** Answer to anyone if the state cannot be computed. */
export function statusUnknown(): Response {
  return respond(withLabel({ state: 'unknown', at: null }));
}

/** `GET /api/status` without a token. */
export type PublicStatus = PublicState & { readonly label: string | null };

/** Adds BACKUP_LABEL for the sign-in; host and bucket are for operators only. */
function withLabel(state: PublicState): PublicStatus {
  return { ...state, label: deploymentOf(environment()).label };
}

/** Throws `invalid` for an unknown value of a parameter, which would otherwise be ignored. */
function assertKnownValue(parameters: URLSearchParams, name: string, known: string): void {
  if (parameters.getAll(name).every((value) => value === known)) return;
  throw new AppError('invalid', `The parameter ${name} has an unknown value`, {
    hint: `Give ${name}=${known}, or leave it out.`,
  });
}

function respond(status: Pick<PublicState, 'state'>): Response {
  return json(status.state === 'ok' ? 200 : 503, status);
}

/** GET /api/status?view=projects: figures of each project, for operators. Always 200: services that do not answer are named. */
async function showProjects(ports: ViewPorts, env: Environment, request: Request): Promise<Response> {
  assertAdmin(env, request);
  const figures = await projectFigures(connectProjects(env, ports));
  return json(200, figures);
}

/** POST /api/alerts/test: sends a test message and answers with its outcome; 502 unless it was delivered. */
export async function testAlert(ports: ViewPorts, request: Request): Promise<Response> {
  await assertNoBody(request);
  const result = await sendTestAlert({ ...ports, own: ownSource(), ...connect(environment(), ['alerter']) });
  return json(result.outcome === 'delivered' ? 200 : 502, result);
}

const ownSource = (): string | null => protectedDatabase(environment()).source;

const BODY_LIMIT = 4 * 1024;

const acknowledgeBodySchema = z.strictObject({
  code: z.string().min(1).max(60).describe('the code of an open alert'),
  subject: z
    .string()
    .max(512)
    .nullable()
    .default(null)
    .describe('the subject of that alert, or null for all of the code'),
  reason: z.string().trim().min(1).max(500).describe('a text of 1 to 500 characters that explains why'),
});

/** POST /api/alerts/acknowledge: acknowledges open alerts. 404 if none with this code and subject is open. */
export async function acknowledgeAlert(ports: ViewPorts, request: Request): Promise<Response> {
  const body = parseBody(await readBody(request, BODY_LIMIT), acknowledgeBodySchema);
  return json(200, { acknowledged: await acknowledgeAlerts({ ...ports, own: ownSource() }, { ...body, until: null }) });
}
