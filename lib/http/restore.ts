import { createHash, randomUUID } from 'node:crypto';
import { z } from 'zod';
import type { FullApp } from '../app/app.js';
import type { Ports, WebhookVerifier } from '../ports/index.js';
import { restoreInputSchema } from '../restore/model.js';
import { prepareRestore, startRestore, type Prepared, type RestoreRequest } from '../restore/start.js';
import type { Engine, Started } from '../runs/engine.js';
import type { Budget } from '../runs/attempt.js';
import type { RunRecord } from '../runs/model.js';
import { demandNoBody, parseBody, readBody } from './body.js';
import { restoreBodySchema } from './restore-body.js';
import { demandOnly } from './parameters.js';
import { answerStarted, lockedBy } from './started.js';
import { startDrill } from '../restore/drill/run.js';
import { AppError } from '../errors.js';
import { decodeJson, encodeJson } from '../json.js';

const AT_WORK = 'in progress on this database';

/** As much of the program as a call needs that starts a run. */
type Runner = Pick<FullApp, 'engine' | 'queued' | 'work'> & { readonly ports: Pick<Ports, 'clock' | 'log' | 'store'> };

/** What the call does between letting a request in and answering it. */
interface RestoreSteps<A, P> {
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
    if (!started.started) throw lockedBy(started, AT_WORK, 'send the request again with a new webhook-id');
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
  if (!started.started) throw lockedBy(started, AT_WORK);
  return answer(app, started.run, budget);
}

function answer(app: Runner, run: RunRecord, budget: Budget): Promise<Response> {
  const { snapshot, dryRun } = restoreInputSchema.parse(run.input);
  return answerStarted(app, run, budget, { snapshot, dryRun });
}

/** Bytes of the body of a request that starts a restore. */
const BODY_LIMIT = 16 * 1024;

interface Webhook<T> {
  readonly id: string;
  readonly body: T;
}

/**
 * Lets a signed request in: its size, its signature, its form, in this order. Throws what `readBody`, the verifier and
 * `parseBody` throw. That it was not sent before is to be checked when it is certain to be carried out.
 */
async function openWebhook<S extends z.ZodObject>(
  verifier: WebhookVerifier,
  request: Request,
  schema: S,
): Promise<Webhook<z.output<S>>> {
  const text = await readBody(request, BODY_LIMIT);
  const id = verifier.verify({ body: text, headers: Object.fromEntries(request.headers) });
  // What stands in the address is not signed, and would not be heeded.
  demandOnly(new URL(request.url).searchParams);
  return { id, body: parseBody(text, schema) };
}

/** POST /api/drill: restores the newest verified snapshot into the scratch database, for an operator. */
export async function adminDrill(app: FullApp, request: Request, budget: Budget): Promise<Response> {
  await demandNoBody(request);
  const started = await startDrill(app.ports, app.engine, 'admin');
  if (!started.started) throw lockedBy(started, 'drilling');
  return answerStarted(app, started.run, budget);
}

type Needs = Pick<Ports, 'clock' | 'log' | 'store'>;

/** `webhooks/sha256-{hash of the id}.json`: says that a webhook was used. Whoever sends it makes its id of what they like. */
const useSchema = z.object({
  usedAt: z.string(),
  /** Tells two uses of one id apart, which would else be the same bytes: `create` takes those for its own. */
  nonce: z.string(),
  /** The run that came of it; null as long as there is none. */
  run: z.string().nullable(),
});

/** A webhook's id in the hands of the one request that may use it. */
interface WebhookUse {
  readonly name: string;
  readonly document: z.infer<typeof useSchema>;
  readonly etag: string;
}

/** Ids that earlier versions took for a name as they are. */
const PLAIN_ID = /^[A-Za-z0-9_-]{1,64}$/;

/** Uses a webhook's id, for good. Throws `replayed` when it was used before, by whatever process. */
export async function useWebhookId({ clock, store }: Needs, id: string): Promise<WebhookUse> {
  const name = nameOf(id);
  const document = { usedAt: new Date(clock.now()).toISOString(), nonce: randomUUID(), run: null };
  const former = PLAIN_ID.test(id) ? await store.read(`webhooks/${id}.json`) : null;
  if (former !== null) throw replayed(runIn(former.body));
  const outcome = await store.create(name, encodeJson(document));
  if (outcome.created) return { name, document, etag: outcome.etag };
  const earlier = await store.read(name);
  throw replayed(earlier === null ? null : runIn(earlier.body));
}

/** Writes down which run came of a webhook. That it could not be is no reason to fail: the run is there. */
export async function noteRun({ log, store }: Needs, use: WebhookUse, run: string): Promise<void> {
  try {
    await store.swap(use.name, encodeJson({ ...use.document, run }), use.etag);
  } catch (error) {
    log.warn('webhook-run-not-noted', { run, code: error instanceof AppError ? error.code : 'internal' });
  }
}

function nameOf(id: string): string {
  // Longer than any id that went in as it is, so that none can have been chosen to look like a hash.
  return `webhooks/sha256-${createHash('sha256').update(id).digest('hex')}.json`;
}

function runIn(body: Uint8Array): string | null {
  try {
    return useSchema.parse(decodeJson(body)).run;
  } catch {
    return null;
  }
}

function replayed(run: string | null): AppError {
  if (run === null) {
    return new AppError('replayed', 'This webhook was used before, and no run is known to have come of it', {
      hint: 'Send it again with a new webhook-id; if a run is under way after all, the answer names it.',
    });
  }
  return new AppError('replayed', `This webhook was used before and started run ${run}`, {
    hint: `Follow that run at /api/runs/${run}. To start another, send a request with a new webhook-id.`,
  });
}
