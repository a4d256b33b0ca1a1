import { environment } from '../config.js';
import { connect } from '../connect.js';
import { sendTestAlert } from '../guard/alerts/test-message.js';
import type { ViewPorts } from './entry.js';
import { json } from './problem.js';

/** POST /api/alerts/test: sends a test message for an operator, and answers with what came back: 502 unless it arrived. */
export async function testAlert(ports: ViewPorts): Promise<Response> {
  const result = await sendTestAlert({ ...ports, ...connect(environment(), ['alerter']) });
  return json(result.outcome === 'delivered' ? 200 : 502, result);
}
