import { viewRun } from '../runs/live.js';
import type { ViewPorts } from './entry.js';
import { lastSegment } from './path.js';
import { json } from './problem.js';
import { runView } from './run-view.js';

/** GET /api/runs/{id}: how far a run is, or how it ended. */
export async function showRun(ports: ViewPorts, request: Request): Promise<Response> {
  return json(200, runView(await viewRun(ports.store, lastSegment(request))));
}
