import { environment } from '../config.js';
import { recoveryPoint, type RecoveryPoint } from '../guard/recovery-point.js';
import { demandAdmin, type ViewPorts } from './entry.js';
import { json } from './problem.js';
import { showProjects } from './projects.js';

/**
 * GET /api/status: 200 while the recovery point objective is met, 503 when it is breached. Anyone learns that much; the
 * figures are for operators.
 */
export async function showStatus(ports: ViewPorts, request: Request): Promise<Response> {
  if (new URL(request.url).searchParams.get('view') === 'projects') return showProjects(ports, environment(), request);
  const point = await recoveryPoint(ports);
  const status = point.met ? 200 : 503;
  const state = point.met ? 'ok' : 'degraded';
  return json(status, isAdmin(request) ? { state, recoveryPoint: figures(point) } : { state });
}

function isAdmin(request: Request): boolean {
  if (!request.headers.has('authorization')) return false;
  demandAdmin(environment(), request);
  return true;
}

function figures({ objectiveHours, ageHours, newest, met }: RecoveryPoint): object {
  const snapshot = newest?.manifest;
  return {
    objectiveHours,
    ageHours,
    met,
    newestVerified:
      snapshot === undefined || snapshot === null ? null : { id: snapshot.id, keys: snapshot.counts.keys },
  };
}
