import type { FullApp } from '../app/app.js';
import { environment } from '../app/config.js';
import { evaluationContextOf, upkeepSettings, guardParts } from '../app/guard-app.js';
import { pingWatchdog, evaluateAndNotify } from '../monitoring/evaluate.js';
import type { Held } from '../runs/lease.js';
import type { Budget } from '../runs/attempt.js';
import { isOver, type RunRecord } from '../runs/model.js';
import { loadRun } from '../runs/records.js';
import { sourceOf } from '../snapshot/source.js';
import { startSnapshot } from '../snapshot/run.js';
import { assertNoBody } from './requests.js';
import { json } from './responses.js';
import { runView, statusOfRun, lockedError } from './run-view.js';
import { upkeep, type Outcome } from '../retention/upkeep.js';
import { guard, type GuardReport } from '../monitoring/guard/run.js';
import type { Caller } from '../monitoring/state.js';
import type { Queue } from '../ports/queue.js';
import { guardScheduleOf } from '../app/connect.js';
import { AppError } from '../errors.js';

/**
 * GET /api/cron/backup: takes the nightly snapshot and, if it succeeds within this call, prunes and replicates in the time
 * left; the outcome of both is in the answer and does not affect the snapshot. A snapshot already in progress is no error:
 * crons may fire twice. Meanwhile the alerts are evaluated, since a guard that missed its turn reports nothing; they are
 * evaluated again when the run ends.
 */
export async function cronBackup(app: FullApp, _request: Request, budget: Budget): Promise<Response> {
  const context = evaluationContextOf(environment(), app.ports);
  await pingWatchdog(context.ports, 'start');
  const evaluating = evaluateAndNotify(context);
  const respondBusy = (held: Held): Promise<Response> => {
    // A run of another database takes no snapshot of this one.
    if (held.otherSource !== undefined) throw lockedError(held, 'in progress');
    const { holder } = held;
    const detail = `Run ${holder} is in progress on the database.`;
    return Promise.resolve(json(200, { state: 'in-progress', runId: holder, detail }));
  };
  try {
    return await snapshotNow(app, budget, 'cron', respondBusy);
  } catch (error) {
    await evaluating;
    // There may be no run whose end would trigger an evaluation.
    await evaluateAndNotify(context);
    await pingWatchdog(context.ports, 'fail');
    throw error;
  } finally {
    await evaluating;
  }
}

/** POST /api/backup: takes a snapshot for an operator; an error if another run is in progress. */
export async function adminBackup(app: FullApp, request: Request, budget: Budget): Promise<Response> {
  await assertNoBody(request);
  return snapshotNow(app, budget, 'admin', (held) => {
    throw lockedError(held, 'in progress on the database');
  });
}

/**
 * Works on the run. After an error that may pass the queue makes another attempt, and the run is returned as in progress;
 * without a next attempt the error is thrown.
 */
async function workOrLeaveToQueue(app: FullApp, id: string, budget: Budget): Promise<RunRecord> {
  try {
    return await app.work(id, budget);
  } catch (error) {
    const { record } = await loadRun(app.ports.store, id);
    if (isOver(record) || record.nextAttemptAt === null) throw error;
    return record;
  }
}

async function snapshotNow(
  app: FullApp,
  budget: Budget,
  trigger: 'cron' | 'admin',
  respondBusy: (held: Held) => Promise<Response>,
): Promise<Response> {
  const started = await startSnapshot(app.engine, trigger);
  if (!started.started) return respondBusy(started);
  const { id } = started.run;
  const run = trigger === 'cron' ? await app.work(id, budget) : await workOrLeaveToQueue(app, id, budget);
  const after = trigger === 'cron' && run.state === 'succeeded' ? { upkeep: await upkeepNow(app, budget) } : {};
  return json(statusOfRun(run), { ...runView(run), ...after }, { location: `/api/runs/${id}` });
}

/** Prunes and replicates in the time left and returns the outcome. Never throws. */
async function upkeepNow({ ports }: FullApp, { deadline, interrupt }: Budget): Promise<object> {
  const { prune, replica, replicaPrune } = await upkeep(
    { ...ports, own: sourceOf(ports.redis.host) },
    { ...upkeepSettings(environment(), ports.log), deadline, interrupt },
  );
  // Without the decisions on single snapshots: there may be hundreds.
  return {
    prune: outcomeView(prune, ({ held, snapshots, objects, bytes, keptByStore, missing, finished }) => {
      return { held, snapshots, objects, bytes, keptByStore: keptByStore.count, missing, finished };
    }),
    replica: outcomeView(replica, ({ snapshots, copied, bytes, left, unverified, damaged, conflicts }) => {
      return { snapshots, copied, bytes, left, unverified, damaged, conflicts };
    }),
    replicaPrune: outcomeView(replicaPrune, ({ held, snapshots, objects, bytes, finished }) => {
      return { held, snapshots, objects, bytes, finished };
    }),
  };
}

function outcomeView<T>(outcome: Outcome<T>, describe: (result: T) => object): object {
  if (outcome.state === 'skipped') return outcome;
  const { state, error } = outcome;
  const problem = error === null ? null : { code: error.code, detail: error.message, hint: error.hint };
  return outcome.state === 'done' ? { state, ...describe(outcome.result), error: problem } : { state, error: problem };
}

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
