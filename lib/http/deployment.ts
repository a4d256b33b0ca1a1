import { environment } from '../app/config.js';
import { deploymentOf } from '../app/connect/database.js';

/**
 * Adds `deployment {label, database, store, version}` to the answer: an operator with several deployments, or after a move,
 * must see which one answers before acting. For operators only: it names host and bucket.
 */
export async function withDeployment(response: Response): Promise<Response> {
  if (!(response.headers.get('content-type') ?? '').includes('json')) return response;
  const body: unknown = JSON.parse(await response.text());
  if (typeof body !== 'object' || body === null) return response;
  const { headers, status } = response;
  return new Response(`${JSON.stringify({ ...body, deployment: deploymentOf(environment()) })}\n`, { headers, status });
}
