import type { FullApp } from '../app.js';
import { AppError } from '../errors.js';
import type { Ports, WebhookVerifier } from '../ports/index.js';
import { restoreInputSchema } from '../restore/model.js';
import { prepareRestore, startRestore, type Prepared, type RestoreRequest } from '../restore/start.js';
import type { Engine, Started } from '../runs/engine.js';
import { handOver } from '../runs/hand-over.js';
import type { Budget } from '../runs/leg.js';
import type { RunRecord } from '../runs/model.js';
import { parseBody, readBody } from './body.js';
import { json } from './problem.js';
import { restoreBodySchema } from './restore-body.js';
import { runView, statusOfRun } from './run-view.js';
import { noteRun, useWebhookId } from './webhook-ids.js';
import { BODY_LIMIT, openWebhook } from './webhook.js';

/** As much of the program as a call needs that starts a run. */
type Runner = Pick<FullApp, 'engine' | 'queued' | 'work'> & { readonly ports: Pick<Ports, 'clock' | 'log' | 'store'> };

/** What the call does between letting a request in and answering it. */
export interface RestoreSteps<A, P> {
  /** Chooses and checks; changes nothing. */
  readonly prepare: (app: A, request: RestoreRequest) => Promise<P>;
  readonly start: (engine: Engine, prepared: P) => Promise<Started>;
}

type RestoreCall<A> = (app: A, request: Request, budget: Budget, verifier: WebhookVerifier) => Promise<Response>;

/**
 * POST /api/webhooks/restore: starts a restore for whoever knows the secret. Nothing is written before it is certain
 * that the request is genuine and can be carried out; then its id is used up, whatever comes of it.
 */
export function restoreCall<A extends Runner, P>(steps: RestoreSteps<A, P>): RestoreCall<A> {
  return async (app, request, budget, verifier) => {
    const { id, body } = await openWebhook(verifier, request, restoreBodySchema);
    const prepared = await steps.prepare(app, { ...body, trigger: 'webhook' });
    const use = await useWebhookId(app.ports, id);
    const started = await steps.start(app.engine, prepared);
    if (!started.started) throw locked(started.holder, 'send the request again with a new webhook-id');
    await noteRun(app.ports, use, started.run.id);
    return answer(app, started.run, budget);
  };
}

const STEPS: RestoreSteps<FullApp, Prepared> = {
  prepare: (app, request) => prepareRestore(app.ports, request),
  start: startRestore,
};

export const webhookRestore: RestoreCall<FullApp> = restoreCall(STEPS);

/**
 * POST /api/restore: the same for whoever has the admin token. A token may lie in a browser that somebody else sits at,
 * so that every restore takes a confirmation here.
 */
export async function adminRestore(app: FullApp, request: Request, budget: Budget): Promise<Response> {
  const body = parseBody(await readBody(request, BODY_LIMIT), restoreBodySchema);
  const prepared = await STEPS.prepare(app, { ...body, trigger: 'admin', confirmFor: 'any' });
  const started = await STEPS.start(app.engine, prepared);
  if (!started.started) throw locked(started.holder, 'ask again');
  return answer(app, started.run, budget);
}

/** With a queue the caller has the answer at once; without one the work is done here, as long as there is time. */
async function answer(app: Runner, { id, input }: RunRecord, budget: Budget): Promise<Response> {
  const headers = { location: `/api/runs/${id}` };
  if (!app.queued) {
    const run = await app.work(id, budget);
    return json(statusOfRun(run), runView(run), headers);
  }
  await handOver(app.engine, id);
  const { snapshot, dryRun } = restoreInputSchema.parse(input);
  return json(202, { runId: id, state: 'running', snapshot, dryRun }, headers);
}

function locked(holder: string, then: string): AppError {
  return new AppError('locked', `Run ${holder} is at work on this database`, {
    hint: `Follow it at /api/runs/${holder}; when it is over, ${then}.`,
  });
}
