import { AppError } from '../errors.js';
import { startDrill } from '../restore/drill/run.js';
import type { Budget } from '../runs/leg.js';
import { handOver } from '../runs/hand-over.js';
import type { FullApp } from './entry.js';
import { json } from './problem.js';
import { runView, statusOfRun } from './run-view.js';

/** POST /api/drill: restores the newest verified snapshot into the scratch database, for an operator. */
export async function adminDrill(app: FullApp, _request: Request, budget: Budget): Promise<Response> {
  const started = await startDrill(app.ports, app.engine);
  if (!started.started) {
    throw new AppError('locked', `Run ${started.holder} is drilling`, {
      hint: `Follow it at /api/runs/${started.holder}, and ask again when it is over.`,
    });
  }
  const { id } = started.run;
  const headers = { location: `/api/runs/${id}` };
  if (!app.queued) {
    const run = await app.work(id, budget);
    return json(statusOfRun(run), runView(run), headers);
  }
  await handOver(app.engine, id);
  return json(202, { runId: id, state: 'running' }, headers);
}
