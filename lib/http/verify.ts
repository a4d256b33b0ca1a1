import { z } from 'zod';
import type { StoreApp } from '../app/app.js';
import { isId } from '../runs/ids.js';
import type { Budget } from '../runs/attempt.js';
import { environment } from '../app/config.js';
import { connectTrust } from '../app/connect/database.js';
import { selectSnapshot, SNAPSHOT_WORDS } from '../snapshot/select.js';
import { startVerify } from '../snapshot/verify.js';
import { parseBody, readBody } from './body.js';
import { answerStarted, lockedBy } from './started.js';

const BODY_LIMIT = 4 * 1024;

const verifyBodySchema = z.strictObject({
  snapshot: z
    .string()
    .refine((text) => SNAPSHOT_WORDS.some((word) => word === text) || isId(text))
    .describe('"latest", "newest" or the id of a snapshot'),
});

/** POST /api/verify: reads a snapshot back and checks all of it, for an operator. */
export async function adminVerify(app: StoreApp, request: Request, budget: Budget): Promise<Response> {
  const body = parseBody(await readBody(request, BODY_LIMIT), verifyBodySchema);
  const { id: snapshot } = await selectSnapshot(await connectTrust(environment(), app.ports), body.snapshot);
  const started = await startVerify(app.engine, snapshot, 'admin');
  if (!started.started) throw lockedBy(started, 'verifying');
  return answerStarted(app, started.run, budget, { snapshot });
}
