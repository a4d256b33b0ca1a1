import type { FullApp } from '../app/app.js';
import { environment } from '../app/config.js';
import { guardParts } from '../app/guard-app.js';
import { guard, type GuardReport } from '../monitoring/guard/run.js';
import type { Caller } from '../monitoring/state.js';
import type { Budget } from '../runs/attempt.js';
import type { Queue } from '../ports/queue.js';
import { json } from './problem.js';
import { guardScheduleOf } from '../app/connect.js';
import { AppError } from '../errors.js';

/** GET /api/cron/guard: the guard's turn. 500 if one of its steps failed; open alerts are no failure of the guard. */
export async function cronGuard(app: FullApp, _request: Request, budget: Budget): Promise<Response> {
  const turn = await runGuardTurn(app, 'cron', budget);
  return json(turn.outcome === 'failed' ? 500 : 200, turn);
}

interface TurnView extends Pick<GuardReport, 'at' | 'delivered' | 'outcome' | 'steps'> {
  readonly caller: Caller;
  readonly alerts: readonly object[];
  readonly sent: number;
}

/** Runs the guard's turn and returns the answer for its caller. */
async function runGuardTurn(app: FullApp, caller: Caller, budget: Budget): Promise<TurnView> {
  const { at, outcome, steps, alerts, sent, delivered } = await guard(guardParts(environment(), app, caller), budget);
  const open = alerts.map(({ code, subject, message, hint, since }) => ({ code, subject, message, hint, since }));
  return { at, caller, outcome, steps, alerts: open, sent: sent.length, delivered };
}

/**
 * POST /api/schedules/guard: the guard's turn, called by the queue's schedule. Always 200 after a turn, whatever its outcome,
 * so that the queue does not deliver the call again: the next call follows anyway.
 */
export async function scheduledGuard(app: FullApp, request: Request, budget: Budget): Promise<Response> {
  if (!(await isSignedByQueue(app.ports.queue, request))) {
    throw new AppError('unauthorized', 'The call is not signed by the queue for this address', {
      hint: 'Check QSTASH_CURRENT_SIGNING_KEY, QSTASH_NEXT_SIGNING_KEY and PUBLIC_URL: a signature covers all of them.',
    });
  }
  return json(200, await runGuardTurn(app, 'schedule', budget));
}

/** Whether the queue has signed a call for this address. */
export async function isSignedByQueue(queue: Queue, request: Request): Promise<boolean> {
  const body = await request.text();
  const signature = request.headers.get('upstash-signature');
  const url = guardScheduleOf(environment())?.destination;
  return url !== undefined && (await queue.verify({ body, signature, url }));
}
