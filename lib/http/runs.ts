import { viewRun } from '../runs/live.js';
import { cancelRun } from '../runs/cancel.js';
import type { Action, ViewPorts } from './entry.js';
import { lastSegment } from './path.js';
import { json } from './problem.js';
import { runView } from './run-view.js';

/** GET /api/runs/{id}: how far a run is, or how it ended. */
export async function showRun(ports: ViewPorts, request: Request): Promise<Response> {
  return json(200, runView(await viewRun(ports.store, lastSegment(request))));
}

/** POST /api/runs/{id}/cancel: ends a run now, for an operator; one that is over stays as it is. */
export const adminCancel: Action = async (app, request) => {
  // vercel.json leads /api/runs/{id}/cancel here: there may be 12 functions at most on Vercel's smallest plan.
  const [id = ''] = new URL(request.url).pathname.split('/api/runs/').at(-1)?.split('/') ?? [];
  return json(200, runView(await cancelRun(app.engine, id)));
};
