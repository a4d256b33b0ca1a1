import { createHash, randomUUID } from 'node:crypto';
import { z } from 'zod';
import { AppError } from '../errors.js';
import { decodeJson, encodeJson } from '../json.js';
import type { Ports } from '../ports/index.js';

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
