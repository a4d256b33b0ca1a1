import { z } from 'zod';
import { EXPIRY_RULES, MODES, scopeSchema, restoreInputSchema } from '../restore/model.js';
import { createHash, randomUUID } from 'node:crypto';
import type { FullApp } from '../app/app.js';
import type { Ports, WebhookVerifier } from '../ports/index.js';
import { prepareRestore, startRestore, type Prepared, type RestoreRequest } from '../restore/start.js';
import type { Engine, Started } from '../runs/engine.js';
import type { Budget } from '../runs/attempt.js';
import type { RunRecord } from '../runs/model.js';
import {
  assertKnownParameters,
  assertNoBody,
  flagField,
  oneOf,
  parseBody,
  readBody,
  snapshotField,
} from './requests.js';
import { answerStarted, lockedError } from './run-view.js';
import { startDrill } from '../restore/drill/run.js';
import { AppError } from '../errors.js';
import { encodeJson, parseStored } from '../json.js';

/** Body of a restore. Errors quote the description of an invalid field. */
const restoreBodySchema = z
  .strictObject({
    snapshot: snapshotField,
    at: z.iso
      .datetime({ offset: true })
      .nullable()
      .default(null)
      .describe('a time such as 2026-11-22T02:00:00Z, and goes with the snapshot "latest" only'),
    scope: scopeSchema.describe(
      '{"all": true}, {"project": id}, {"projects", "families", "matches", "keys": lists of texts} or {"items": [{"project": id, "id": id}]}',
    ),
    mode: z.enum(MODES).default('replace').describe(oneOf(MODES)),
    expiry: z.enum(EXPIRY_RULES).default('keep').describe(oneOf(EXPIRY_RULES)),
    dryRun: flagField(),
    target: z.string().min(1).max(64).nullable().default(null).describe('the name of a target database'),
    safety: flagField(true),
    settle: z.boolean().nullable().default(null).describe('true or false'),
    confirm: z
      .string()
      .max(512)
      .nullable()
      .default(null)
      .describe('the id of the snapshot or of the project, or PROJECT/ID of the item'),
    allowIncomplete: flagField(),
    reindex: flagField(true),
    fromSource: flagField(),
  })
  .refine(({ snapshot, at }) => at === null || snapshot === 'latest', { path: ['at'] });

/** Body of `POST /api/restore`. */
export type RestoreOrder = z.input<typeof restoreBodySchema>;

const IN_PROGRESS = 'in progress on this database';

/** The parts of the app that a call needs to start a run. */
type Runner = Pick<FullApp, 'engine' | 'queued' | 'work'> & { readonly ports: Pick<Ports, 'clock' | 'log' | 'store'> };

/** What a call does between authorizing a request and answering it. */
interface RestoreSteps<A, P> {
  /** Chooses and checks; changes nothing. */
  readonly prepare: (app: A, request: RestoreRequest) => Promise<P>;
  readonly start: (engine: Engine, prepared: P) => Promise<Started>;
}

type RestoreCall<A> = (app: A, request: Request, budget: Budget, verifier: WebhookVerifier) => Promise<Response>;

/**
 * POST /api/webhooks/restore: starts a restore for a signed request. Nothing is written until the request is known to be genuine
 * and possible; its id is then used up, whatever the outcome.
 */
export function restoreCall<A extends Runner, P>(steps: RestoreSteps<A, P>): RestoreCall<A> {
  return async (app, request, budget, verifier) => {
    const { id, body } = await openWebhook(verifier, request, restoreBodySchema);
    const prepared = await steps.prepare(app, { ...body, trigger: 'webhook' });
    const use = await useWebhookId(app.ports, id);
    const started = await steps.start(app.engine, prepared);
    if (!started.started) throw lockedError(started, IN_PROGRESS, 'send the request again with a new webhook-id');
    await recordRun(app.ports, use, started.run.id);
    return answer(app, started.run, budget);
  };
}

const STEPS: RestoreSteps<FullApp, Prepared> = {
  prepare: (app, request) => prepareRestore(app.ports, request),
  start: startRestore,
};

export const webhookRestore: RestoreCall<FullApp> = restoreCall(STEPS);

/**
 * POST /api/restore: starts a restore for an operator. The token may be in a browser that someone else is using, so every
 * restore requires a confirmation here.
 */
export async function adminRestore(app: FullApp, request: Request, budget: Budget): Promise<Response> {
  const body = parseBody(await readBody(request, BODY_LIMIT), restoreBodySchema);
  const prepared = await STEPS.prepare(app, { ...body, trigger: 'admin', confirmFor: 'any' });
  const started = await STEPS.start(app.engine, prepared);
  if (!started.started) throw lockedError(started, IN_PROGRESS);
  return answer(app, started.run, budget);
}

function answer(app: Runner, run: RunRecord, budget: Budget): Promise<Response> {
  const { snapshot, dryRun } = restoreInputSchema.parse(run.input);
  return answerStarted(app, run, budget, { snapshot, dryRun });
}

/** Maximum size of the body in bytes. */
const BODY_LIMIT = 16 * 1024;

interface Webhook<T> {
  readonly id: string;
  readonly body: T;
}

/**
 * Checks the size, the signature and the form of a signed request, in this order. Throws what `readBody`, the verifier and
 * `parseBody` throw. A replay is checked later, when the request is known to be possible.
 */
async function openWebhook<S extends z.ZodObject>(
  verifier: WebhookVerifier,
  request: Request,
  schema: S,
): Promise<Webhook<z.output<S>>> {
  const text = await readBody(request, BODY_LIMIT);
  const id = verifier.verify({ body: text, headers: Object.fromEntries(request.headers) });
  // Query parameters are not signed and would be ignored.
  assertKnownParameters(new URL(request.url).searchParams);
  return { id, body: parseBody(text, schema) };
}

/** POST /api/drill: restores the newest verified snapshot into the scratch database, for an operator. */
export async function adminDrill(app: FullApp, request: Request, budget: Budget): Promise<Response> {
  await assertNoBody(request);
  const started = await startDrill(app.ports, app.engine, 'admin');
  if (!started.started) throw lockedError(started, 'drilling');
  return answerStarted(app, started.run, budget);
}

type Needs = Pick<Ports, 'clock' | 'log' | 'store'>;

/** `webhooks/sha256-{hash of the id}.json`: records that a webhook was used. The sender chooses the id, so it is hashed. */
const useSchema = z.object({
  usedAt: z.string(),
  /** Makes two uses of one id differ: `create` treats identical bytes as its own earlier write. */
  nonce: z.string(),
  /** The run that it started; null until then. */
  run: z.string().nullable(),
});

/** A webhook's id, claimed by this request. */
interface WebhookUse {
  readonly name: string;
  readonly document: z.infer<typeof useSchema>;
  readonly etag: string;
}

/** Claims a webhook's id permanently. Throws `replayed` if any process has used it before. */
export async function useWebhookId({ clock, store }: Needs, id: string): Promise<WebhookUse> {
  const name = `webhooks/sha256-${createHash('sha256').update(id).digest('hex')}.json`;
  const document = { usedAt: new Date(clock.now()).toISOString(), nonce: randomUUID(), run: null };
  const outcome = await store.create(name, encodeJson(document));
  if (outcome.created) return { name, document, etag: outcome.etag };
  const earlier = await store.read(name);
  throw replayedError(earlier === null ? null : (parseStored(useSchema, earlier.body)?.run ?? null));
}

/** Records the run that a webhook started. A failure is only logged: the run exists. */
export async function recordRun({ log, store }: Needs, use: WebhookUse, run: string): Promise<void> {
  try {
    await store.swap(use.name, encodeJson({ ...use.document, run }), use.etag);
  } catch (error) {
    log.warn('webhook-run-not-noted', { run, code: error instanceof AppError ? error.code : 'internal' });
  }
}

function replayedError(run: string | null): AppError {
  if (run === null) {
    return new AppError('replayed', 'This webhook was used before, but no run is recorded for it', {
      hint: 'Send it again with a new webhook-id; if a run is in progress, the answer names it.',
    });
  }
  return new AppError('replayed', `This webhook was used before and started run ${run}`, {
    hint: `Follow that run at /api/runs/${run}. To start another, send a request with a new webhook-id.`,
  });
}
