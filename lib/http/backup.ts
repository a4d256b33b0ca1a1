import { AppError, statusOf, type ErrorCode } from '../errors.js';
import type { Budget } from '../runs/leg.js';
import type { RunRecord } from '../runs/model.js';
import { startSnapshot } from '../snapshot/run.js';
import type { FullApp } from './entry.js';
import { json } from './problem.js';
import { runView } from './run-view.js';

/** After so many seconds past the function's limit the queue looks whether the first leg is still alive. */
const WATCH_AFTER_SECONDS = 30;

/** GET /api/cron/backup: takes the nightly snapshot. Another one under way is no fault: crons may fire twice. */
export async function cronBackup(app: FullApp, _request: Request, budget: Budget): Promise<Response> {
  return snapshotNow(app, budget, 'cron', (holder) =>
    Promise.resolve(json(200, { state: 'in-progress', runId: holder, detail: `Run ${holder} is taking a snapshot.` })),
  );
}

/** POST /api/backup: takes a snapshot for an operator, who must know when it was not their own. */
export async function adminBackup(app: FullApp, _request: Request, budget: Budget): Promise<Response> {
  return snapshotNow(app, budget, 'admin', (holder) => {
    throw new AppError('locked', `Run ${holder} is taking a snapshot`, {
      hint: `Follow it at /api/runs/${holder}, and ask again when it is over.`,
    });
  });
}

async function snapshotNow(
  app: FullApp,
  budget: Budget,
  trigger: 'cron' | 'admin',
  taken: (holder: string) => Promise<Response>,
): Promise<Response> {
  const started = await startSnapshot(app.engine, trigger);
  if (!started.started) return taken(started.holder);
  const { id } = started.run;
  const watched = app.queued && (await watch(app, id));
  const run = await app.work(id, { ...budget, lastAttempt: !watched });
  return json(statusOfRun(run), runView(run), { location: `/api/runs/${id}` });
}

/** A cron is not called again when its function dies. A queue that cannot be reached must not stop the backup, though. */
async function watch(app: FullApp, id: string): Promise<boolean> {
  try {
    await app.engine.watch(id, 0, app.limits.FUNCTION_LIMIT_SECONDS + WATCH_AFTER_SECONDS);
    return true;
  } catch (error) {
    const message = error instanceof AppError ? error.message : 'unknown';
    app.ports.log.warn('not-watched', { run: id, message });
    return false;
  }
}

/** 202 while legs are to come, 207 for a snapshot that is not whole, and the error's own status for a failed one. */
function statusOfRun(run: RunRecord): number {
  switch (run.state) {
    case 'running':
      return 202;
    case 'succeeded':
      return 200;
    case 'incomplete':
      return 207;
    case 'failed':
      return statusOf((run.error?.code ?? 'internal') as ErrorCode);
  }
}
