import { environment } from '../app/config.js';
import { deploymentOf } from '../app/connect/database.js';

/**
 * The answer with `deployment {label, database, store, version}` in it: whoever has several deployments, or moved one,
 * must see whose figures these are before anything is done. For operators alone: it names host and bucket.
 */
export async function withDeployment(response: Response): Promise<Response> {
  if (!(response.headers.get('content-type') ?? '').includes('json')) return response;
  const body: unknown = JSON.parse(await response.text());
  if (typeof body !== 'object' || body === null) return response;
  const { headers, status } = response;
  return new Response(`${JSON.stringify({ ...body, deployment: deploymentOf(environment()) })}\n`, { headers, status });
}
