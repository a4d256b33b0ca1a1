import { z } from 'zod';
import type { FullApp } from '../app/app.js';
import { environment } from '../app/config.js';
import { evaluationContextOf } from '../app/guard-app.js';
import { AppError } from '../errors.js';
import { notifyStoreBack } from '../monitoring/alerts/store-away.js';
import type { Budget } from '../runs/attempt.js';
import { json, problem } from './responses.js';

/** Messages besides those of runs: a probe of `doctor`, and alerts that were sent during an outage of the store. */
const ownSchema = z.union([
  z.strictObject({ probe: z.uuid() }),
  z.strictObject({
    storeAway: z.iso.datetime(),
    told: z.array(z.strictObject({ code: z.string(), subject: z.string() })),
  }),
]);

/** Keeps QStash from retrying a message that can never succeed (QStash documentation, "Retry"). */
const NO_RETRY = { status: 489, headers: { 'Upstash-NonRetryable-Error': 'true' } } as const;

/** POST /api/tasks: handles a message of this program. Answers 5xx if the queue should deliver it again. */
export async function runTask(app: FullApp, request: Request, budget: Budget): Promise<Response> {
  const body = await request.text();
  const signature = request.headers.get('upstash-signature');
  if (!(await app.ports.queue.verify({ body, signature }))) {
    throw new AppError('unauthorized', 'The message is not signed by the queue for this address', {
      hint: 'Check QSTASH_CURRENT_SIGNING_KEY, QSTASH_NEXT_SIGNING_KEY and PUBLIC_URL: a signature covers all of them.',
    });
  }
  const own = parseOwnMessage(body);
  if (own !== null && 'probe' in own) {
    await app.ports.store.create(`probe/${own.probe}`, Buffer.from(own.probe));
    return json(200, own);
  }
  if (own !== null) {
    await notifyStoreBack(evaluationContextOf(environment(), app.ports), own.storeAway, own.told);
    return json(200, { storeAway: own.storeAway });
  }
  try {
    const run = await app.engine.deliver(body, budget);
    return json(200, { runId: run.id, state: run.state });
  } catch (error) {
    if (!(error instanceof AppError) || (error.code !== 'usage' && error.code !== 'not-found')) throw error;
    const answer = problem(error);
    return new Response(answer.body, {
      ...NO_RETRY,
      headers: { ...Object.fromEntries(answer.headers), ...NO_RETRY.headers },
    });
  }
}

/** Null for a message of a run. */
function parseOwnMessage(body: string): z.infer<typeof ownSchema> | null {
  try {
    return ownSchema.safeParse(JSON.parse(body)).data ?? null;
  } catch {
    // The engine reports what is wrong with the message.
    return null;
  }
}
