import type { FullApp } from '../app/app.js';
import { environment, type Environment } from '../app/config.js';
import { evaluationContextOf, upkeepSettings } from '../app/guard-app.js';
import { pingWatchdog, evaluateAndNotify } from '../monitoring/evaluate.js';
import type { Held } from '../runs/lease.js';
import type { Budget } from '../runs/attempt.js';
import { isOver, type RunRecord } from '../runs/model.js';
import { loadRun } from '../runs/records.js';
import { sourceOf } from '../snapshot/source.js';
import { startSnapshot } from '../snapshot/run.js';
import { assertNoBody } from './body.js';
import { json } from './problem.js';
import { runView, statusOfRun } from './run-view.js';
import { lockedError } from './started.js';
import type { PrunePorts } from '../retention/prune/prune.js';
import { upkeep, type Outcome, type Upkeep } from '../retention/upkeep.js';

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
  const needsUpkeep = trigger === 'cron' && run.state === 'succeeded';
  const after = needsUpkeep
    ? { upkeep: await upkeepNow({ ...app.ports, own: sourceOf(app.ports.redis.host) }, environment(), budget) }
    : {};
  return json(statusOfRun(run), { ...runView(run), ...after }, { location: `/api/runs/${id}` });
}

/** Prunes and replicates in the time left and returns the outcome. Never throws. */
async function upkeepNow(ports: PrunePorts, env: Environment, budget: Budget): Promise<object> {
  const { deadline, interrupt } = budget;
  return upkeepView(await upkeep(ports, { ...upkeepSettings(env, ports.log), deadline, interrupt }));
}

/** Leaves out the decisions on single snapshots: there may be hundreds. */
function upkeepView({ prune, replica, replicaPrune }: Upkeep): object {
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
