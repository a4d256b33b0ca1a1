import { z } from 'zod';
import type { FullApp } from '../app/app.js';
import { environment } from '../app/config.js';
import { evaluationContextOf } from '../app/guard-app.js';
import { AppError } from '../errors.js';
import { notifyStoreBack } from '../monitoring/alerts/store-away.js';
import type { Budget } from '../runs/attempt.js';
import { json, problem } from './problem.js';

/** What the queue brings besides messages of runs: a probe of `doctor`, and what was told while the store was away. */
const ownSchema = z.union([
  z.strictObject({ probe: z.uuid() }),
  z.strictObject({
    storeAway: z.iso.datetime(),
    told: z.array(z.strictObject({ code: z.string(), subject: z.string() })),
  }),
]);

/** What keeps QStash from delivering again what can never work (QStash documentation, "Retry"). */
const NEVER_AGAIN = { status: 489, headers: { 'Upstash-NonRetryable-Error': 'true' } } as const;

/** POST /api/tasks: does what a message of our own says. Answers 5xx when it should be delivered again. */
export async function runTask(app: FullApp, request: Request, budget: Budget): Promise<Response> {
  const body = await request.text();
  const signature = request.headers.get('upstash-signature');
  if (!(await app.ports.queue.verify({ body, signature }))) {
    throw new AppError('unauthorized', 'The message is not signed by the queue for this address', {
      hint: 'Check QSTASH_CURRENT_SIGNING_KEY, QSTASH_NEXT_SIGNING_KEY and PUBLIC_URL: a signature covers all of them.',
    });
  }
  const own = ownMessageIn(body);
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
      ...NEVER_AGAIN,
      headers: { ...Object.fromEntries(answer.headers), ...NEVER_AGAIN.headers },
    });
  }
}

/** Null for a message of a run. */
function ownMessageIn(body: string): z.infer<typeof ownSchema> | null {
  try {
    return ownSchema.safeParse(JSON.parse(body)).data ?? null;
  } catch {
    // The engine says what is wrong with it.
    return null;
  }
}
