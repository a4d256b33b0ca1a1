import type { FullApp } from '../app/app.js';
import { environment, type Environment } from '../app/config.js';
import { judgingOf, upkeepSettings } from '../app/guard-app.js';
import { pingWatchdog } from '../monitoring/heartbeat.js';
import { evaluateAndNotify } from '../monitoring/evaluate-and-notify.js';
import type { Held } from '../runs/held.js';
import type { Budget } from '../runs/attempt.js';
import { isOver, type RunRecord } from '../runs/model.js';
import { loadRun } from '../runs/records.js';
import { sourceOf } from '../snapshot/source.js';
import { startSnapshot } from '../snapshot/run.js';
import { demandNoBody } from './body.js';
import { json } from './problem.js';
import { runView, statusOfRun } from './run-view.js';
import { lockedBy } from './started.js';
import type { PrunePorts } from '../retention/prune/prune.js';
import { upkeep, type Outcome, type Upkeep } from '../retention/upkeep.js';

/**
 * GET /api/cron/backup: takes the nightly snapshot and, when it succeeded within this call, prunes and replicates in the
 * time that is left; what becomes of that stands in the answer and changes nothing about the snapshot. Another one
 * under way is no fault: crons may fire twice. It looks about meanwhile, since a guard that has missed its turn tells
 * nobody; what comes of the run is told when it ends.
 */
export async function cronBackup(app: FullApp, _request: Request, budget: Budget): Promise<Response> {
  const judging = judgingOf(environment(), app.ports);
  await pingWatchdog(judging.ports, 'start');
  const looking = evaluateAndNotify(judging);
  const busy = ({ holder }: Held): Promise<Response> =>
    Promise.resolve(
      json(200, { state: 'in-progress', runId: holder, detail: `Run ${holder} is in progress on the database.` }),
    );
  try {
    return await snapshotNow(app, budget, 'cron', busy);
  } catch (error) {
    await looking;
    // There may be no run that could tell of it when it ends.
    await evaluateAndNotify(judging);
    await pingWatchdog(judging.ports, 'fail');
    throw error;
  } finally {
    await looking;
  }
}

/** POST /api/backup: takes a snapshot for an operator, who must know when it was not their own. */
export async function adminBackup(app: FullApp, request: Request, budget: Budget): Promise<Response> {
  await demandNoBody(request);
  return snapshotNow(app, budget, 'admin', (held) => {
    throw lockedBy(held, 'in progress on the database');
  });
}

/**
 * What comes in the way now may pass: then the queue makes another attempt, and whoever asked must know that their run is
 * under way. It is thrown where nobody does.
 */
async function workOrHandOn(app: FullApp, id: string, budget: Budget): Promise<RunRecord> {
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
  taken: (held: Held) => Promise<Response>,
): Promise<Response> {
  const started = await startSnapshot(app.engine, trigger);
  if (!started.started) return taken(started);
  const { id } = started.run;
  const run = trigger === 'cron' ? await app.work(id, budget) : await workOrHandOn(app, id, budget);
  const keep = trigger === 'cron' && run.state === 'succeeded';
  const after = keep
    ? { upkeep: await upkeepNow({ ...app.ports, own: sourceOf(app.ports.redis.host) }, environment(), budget) }
    : {};
  return json(statusOfRun(run), { ...runView(run), ...after }, { location: `/api/runs/${id}` });
}

/** Prunes and replicates with what is left of a function's time, and says what came of it. Never throws. */
async function upkeepNow(ports: PrunePorts, env: Environment, budget: Budget): Promise<object> {
  const kept = await upkeep(ports, {
    ...upkeepSettings(env, ports.log),
    deadline: budget.deadline,
    interrupt: budget.interrupt,
  });
  return upkeepView(kept);
}

/** Without the decisions on single snapshots, of which there may be hundreds. */
function upkeepView({ prune, replica, replicaPrune }: Upkeep): object {
  return {
    prune: view(prune, ({ held, snapshots, objects, bytes, keptByStore, missing, finished }) => {
      return { held, snapshots, objects, bytes, keptByStore: keptByStore.count, missing, finished };
    }),
    replica: view(replica, ({ snapshots, copied, bytes, left, unverified, damaged, conflicts }) => {
      return { snapshots, copied, bytes, left, unverified, damaged, conflicts };
    }),
    replicaPrune: view(replicaPrune, ({ held, snapshots, objects, bytes, finished }) => {
      return { held, snapshots, objects, bytes, finished };
    }),
  };
}

function view<T>(outcome: Outcome<T>, describe: (result: T) => object): object {
  if (outcome.state === 'skipped') return outcome;
  const { state, error } = outcome;
  const problem = error === null ? null : { code: error.code, detail: error.message, hint: error.hint };
  return outcome.state === 'done' ? { state, ...describe(outcome.result), error: problem } : { state, error: problem };
}
