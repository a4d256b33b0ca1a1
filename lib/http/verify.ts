import { z } from 'zod';
import type { StoreApp } from '../app.js';
import { AppError } from '../errors.js';
import { handOver } from '../runs/hand-over.js';
import { isId } from '../runs/ids.js';
import type { Budget } from '../runs/leg.js';
import { resolveSnapshot } from '../snapshot/catalog.js';
import { startVerify } from '../snapshot/verify.js';
import { parseBody, readBody } from './body.js';
import { json } from './problem.js';
import { runView, statusOfRun } from './run-view.js';

const BODY_LIMIT = 4 * 1024;

const verifyBodySchema = z.strictObject({
  snapshot: z
    .string()
    .refine((text) => text === 'latest' || isId(text))
    .describe('"latest" or the id of a snapshot'),
});

/** POST /api/verify: reads a snapshot back and checks all of it, for an operator. */
export async function adminVerify(app: StoreApp, request: Request, budget: Budget): Promise<Response> {
  const body = parseBody(await readBody(request, BODY_LIMIT), verifyBodySchema);
  const snapshot = await resolveSnapshot(app.ports.store, body.snapshot);
  const started = await startVerify(app.engine, snapshot);
  if (!started.started) throw locked(started.holder);
  const { id } = started.run;
  const headers = { location: `/api/runs/${id}` };
  if (!app.queued) {
    const run = await app.work(id, budget);
    return json(statusOfRun(run), runView(run), headers);
  }
  await handOver(app.engine, id);
  return json(202, { runId: id, state: 'running', snapshot }, headers);
}

function locked(holder: string): AppError {
  return new AppError('locked', `Run ${holder} is verifying`, {
    hint: `Follow it at /api/runs/${holder}, and ask again when it is over.`,
  });
}
