import { viewRun } from '../runs/live.js';
import type { ViewPorts } from './entry.js';
import { json } from './problem.js';
import { runView } from './run-view.js';

/** GET /api/runs/{id}: how far a run is, or how it ended. */
export async function showRun(ports: ViewPorts, request: Request): Promise<Response> {
  const id = decodeURIComponent(new URL(request.url).pathname.split('/').at(-1) ?? '');
  return json(200, runView(await viewRun(ports.store, id)));
}
