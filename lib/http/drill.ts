import { startDrill } from '../restore/drill/run.js';
import type { Budget } from '../runs/attempt.js';
import type { FullApp } from './entry.js';
import { answerStarted, lockedBy } from './started.js';

/** POST /api/drill: restores the newest verified snapshot into the scratch database, for an operator. */
export async function adminDrill(app: FullApp, _request: Request, budget: Budget): Promise<Response> {
  const started = await startDrill(app.ports, app.engine, 'admin');
  if (!started.started) throw lockedBy(started, 'drilling');
  return answerStarted(app, started.run, budget);
}
