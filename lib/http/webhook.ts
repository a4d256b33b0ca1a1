import type { z } from 'zod';
import type { WebhookVerifier } from '../ports/webhook-verifier.js';
import { parseBody, readBody } from './body.js';

/** Bytes of the body of a request that starts a restore. */
export const BODY_LIMIT = 16 * 1024;

export interface Webhook<T> {
  readonly id: string;
  readonly body: T;
}

/**
 * Lets a signed request in: its size, its signature, its form, in this order. Throws what `readBody`, the verifier and
 * `parseBody` throw. That it was not sent before is to be checked when it is certain to be carried out.
 */
export async function openWebhook<S extends z.ZodObject>(
  verifier: WebhookVerifier,
  request: Request,
  schema: S,
): Promise<Webhook<z.output<S>>> {
  const text = await readBody(request, BODY_LIMIT);
  const id = verifier.verify({ body: text, headers: Object.fromEntries(request.headers) });
  return { id, body: parseBody(text, schema) };
}
