import { z } from 'zod';
import { endingApp, marksBeside } from '../app/app.js';
import { environment } from '../app/config.js';
import { connectTrust } from '../app/connect/database.js';
import { pinSnapshot, unpinSnapshot } from '../retention/prune/forget.js';
import { cancelIfOpen } from '../runs/cancel.js';
import { acceptSnapshot } from '../snapshot/accept.js';
import { selectSnapshot } from '../snapshot/select.js';
import { parseBody, readBody } from './body.js';
import type { ViewPorts } from './entry.js';
import { segmentAfter } from './path.js';
import { json } from './problem.js';

const BODY_LIMIT = 4 * 1024;
/** Who is noted beside the reason: the token is one for all operators. */
const BY = 'admin';

const reason = z
  .string()
  .min(1)
  .max(500)
  .describe('a text of 1 to 500 characters: whoever relies on it later reads it');
const acceptBodySchema = z.strictObject({ reason });
const pinBodySchema = z.strictObject({
  pinned: z.boolean().describe('true or false'),
  reason: reason.optional(),
});

/** POST /api/snapshots/{id}/pin: keeps a snapshot from being pruned, or no longer. */
export async function pinOne(ports: ViewPorts, request: Request): Promise<Response> {
  const body = parseBody(await readBody(request, BODY_LIMIT), pinBodySchema);
  const { id } = await selectSnapshot(await connectTrust(environment(), ports), segmentAfter('snapshots', request));
  if (!body.pinned) {
    await unpinSnapshot(ports, id);
    return json(200, { snapshot: id, pinned: null });
  }
  const pinned = await pinSnapshot(ports, id, { by: BY, reason: body.reason ?? '' });
  return json(200, { snapshot: id, pinned });
}

/** POST /api/snapshots/{id}/accept: a doubtful snapshot counts as trusted from now on. */
export async function acceptOne(ports: ViewPorts, request: Request): Promise<Response> {
  const body = parseBody(await readBody(request, BODY_LIMIT), acceptBodySchema);
  const trust = await connectTrust(environment(), ports);
  const { id } = await selectSnapshot(trust, segmentAfter('snapshots', request));
  const marksElsewhere = marksBeside(environment(), ports.log);
  const { acceptance, ended } = await acceptSnapshot(trust, id, { by: BY, reason: body.reason, marksElsewhere });
  // What was accepted must not be written over by a restore that the guard resumes.
  const { engine } = endingApp(environment(), { log: ports.log });
  for (const run of ended) await cancelIfOpen(engine, ports.store, run);
  return json(200, { snapshot: id, acceptance, ended });
}
