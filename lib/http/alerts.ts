import { z } from 'zod';
import { environment } from '../app/config.js';
import { connect } from '../app/connect.js';
import { protectedDatabase } from '../app/connect/database.js';
import { acknowledgeAlerts } from '../monitoring/alerts/acknowledge.js';
import { sendTestAlert } from '../monitoring/alerts/messages.js';
import { assertNoBody, parseBody, readBody } from './body.js';
import type { ViewPorts } from './entry.js';
import { json } from './problem.js';

/** POST /api/alerts/test: sends a test message and answers with its outcome; 502 unless it was delivered. */
export async function testAlert(ports: ViewPorts, request: Request): Promise<Response> {
  await assertNoBody(request);
  const result = await sendTestAlert({ ...ports, own: ownSource(), ...connect(environment(), ['alerter']) });
  return json(result.outcome === 'delivered' ? 200 : 502, result);
}

const ownSource = (): string | null => protectedDatabase(environment()).source;

const BODY_LIMIT = 4 * 1024;

const acknowledgeBodySchema = z.strictObject({
  code: z.string().min(1).max(60).describe('the code of an open alert'),
  subject: z
    .string()
    .max(512)
    .nullable()
    .default(null)
    .describe('the subject of that alert, or null for all of the code'),
  reason: z.string().trim().min(1).max(500).describe('a text of 1 to 500 characters that explains why'),
});

/** POST /api/alerts/acknowledge: acknowledges open alerts. 404 if none with this code and subject is open. */
export async function acknowledgeAlert(ports: ViewPorts, request: Request): Promise<Response> {
  const body = parseBody(await readBody(request, BODY_LIMIT), acknowledgeBodySchema);
  return json(200, { acknowledged: await acknowledgeAlerts({ ...ports, own: ownSource() }, { ...body, until: null }) });
}
