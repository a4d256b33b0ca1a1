import { z } from 'zod';
import type { FullApp } from '../app.js';
import { AppError } from '../errors.js';
import type { Budget } from '../runs/leg.js';
import { json, problem } from './problem.js';

const probeSchema = z.strictObject({ probe: z.uuid() });

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
  const probe = probeIn(body);
  if (probe !== null) {
    await app.ports.store.create(`probe/${probe}`, Buffer.from(probe));
    return json(200, { probe });
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

/** The id in a message by which `doctor` tries the way from the queue to here; null for a message of a run. */
function probeIn(body: string): string | null {
  try {
    return probeSchema.safeParse(JSON.parse(body)).data?.probe ?? null;
  } catch {
    // The engine says what is wrong with it.
    return null;
  }
}
