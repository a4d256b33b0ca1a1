import type { FullApp } from '../app.js';
import { environment } from '../config.js';
import { guardParts } from '../guard-app.js';
import { guard } from '../guard/guard/run.js';
import type { Budget } from '../runs/leg.js';
import { json } from './problem.js';

/** GET /api/cron/guard: the guard's turn. 500 when a step of its own failed; open alerts are no failure of the guard. */
export async function cronGuard(app: FullApp, _request: Request, budget: Budget): Promise<Response> {
  const { at, outcome, steps, alerts, sent, delivered } = await guard(guardParts(environment(), app), budget);
  const open = alerts.map(({ code, subject, message, hint, since }) => ({ code, subject, message, hint, since }));
  return json(outcome === 'failed' ? 500 : 200, { at, outcome, steps, alerts: open, sent: sent.length, delivered });
}
