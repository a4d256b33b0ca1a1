import { randomUUID } from 'node:crypto';
import type { Clock } from '../../ports/clock.js';
import type { Queue } from '../../ports/queue.js';
import type { ObjectStore } from '../../ports/store.js';
import type { EndpointResponse, TaskEndpoint } from '../../ports/hosting.js';
import { fail, ok, type Check, type CheckGroup, type Observation } from '../doctor.js';

/** How long an operator waits for the delivery of a probe. */
const DELIVERY_MS = 30_000;
const POLL_MS = 500;

interface WayBack {
  /** PUBLIC_URL. */
  readonly url: string;
  readonly endpoint: () => TaskEndpoint;
  readonly queue: () => Queue;
  readonly store: () => ObjectStore;
  readonly clock: Clock;
}

/** Checks that the queue can reach the deployment: with a request like the queue's, and with a message over the queue. */
export function wayBackChecks(way: WayBack): CheckGroup {
  return [wayBackCheck(way), { name: 'queue-delivery', limitMs: DELIVERY_MS + 30_000, run: () => checkDelivery(way) }];
}

/** Sends one unsigned request, which this program itself must refuse. */
export function wayBackCheck({ endpoint, url }: Pick<WayBack, 'endpoint' | 'url'>): Check {
  const run = async (): Promise<Observation> =>
    evaluateRefusal(await endpoint().probe(), url, '/api/tasks', 'unsigned requests');
  return { name: 'queue-way-back', run };
}

/** Codes of this program's 401 for requests without a token or a signature. */
const REFUSALS: ReadonlySet<string> = new Set(['unauthorized', 'signature-missing']);

/** Checks that an address answers an unauthorized request with this program's 401. `whom`: what is refused. */
export function evaluateRefusal(response: EndpointResponse, url: string, path: string, whom: string): Observation {
  const fault = hostFault(response, url, path);
  if (fault !== null) return fault;
  if (response.kind === 'answer' && response.problem !== null) {
    const { problem, status } = response;
    if (status === 401 && REFUSALS.has(problem.code)) return ok(`${url}${path} refuses ${whom}, as it should`);
    return fail(
      `${url}${path} answers ${status} (${problem.code}): ${problem.detail}`,
      'The deployment is not configured correctly: correct its variables in the Vercel project and deploy again.',
    );
  }
  const { isPage, status } = response as Extract<EndpointResponse, { kind: 'answer' }>;
  return fail(
    `${url}${path} answers ${status}, but not in the form of this program${isPage ? ' (an HTML page)' : ''}`,
    `Set PUBLIC_URL to the address of this program's own deployment; see the log of ${path} in the Vercel project.`,
  );
}

/** The fault if something else than this program answers at an address, or nothing does; null if it may be this program. */
export function hostFault(response: EndpointResponse, url: string, path: string): Observation | null {
  if (response.kind === 'failed') return reportUnreachable(response.code, url, path);
  const { hostError, isPage, problem, redirectsTo, status } = response;
  if (problem !== null) return null;
  if (hostError?.startsWith('DEPLOYMENT_NOT_FOUND') === true) {
    return fail(
      `there is no deployment at ${url} (HTTP ${status}, ${hostError})`,
      'Set PUBLIC_URL to the domain that the Vercel project shows under Domains, here and in the project, and deploy again.',
    );
  }
  if (redirectsTo !== null && status >= 300 && status < 400) return reportRedirect(status, redirectsTo, url);
  if (hostError !== null && status !== 404) {
    return fail(
      `the host answers ${status} (${hostError}) in place of the function`,
      `See the log of ${path} in the Vercel project; a paused or disabled deployment has to be turned on there.`,
    );
  }
  if (status === 401 || (status === 403 && isPage)) return reportProtection(status, url);
  if (status === 404 || status === 405) {
    return fail(
      `${url} has no ${path} (HTTP ${status}): another application answers there`,
      "Set PUBLIC_URL to the address of this program's own deployment, here and in the Vercel project.",
    );
  }
  return null;
}

function reportRedirect(status: number, to: string, url: string): Observation {
  if (/(^|\.)vercel\.com$/.test(new URL(to).hostname)) return reportProtection(status, url);
  return fail(
    `${url} redirects to ${to} (HTTP ${status}), and the queue does not follow`,
    `Set PUBLIC_URL=${to} here and in the Vercel project, and deploy again.`,
  );
}

function reportProtection(status: number, url: string): Observation {
  return fail(
    `deployment protection answers at ${url} (HTTP ${status}) in place of the function: every delivery is refused`,
    'In Vercel, project, Settings, Deployment Protection, make the production domain public (Standard Protection) and set PUBLIC_URL to it. The functions check signatures themselves. Until then, --local works without the queue.',
  );
}

function reportUnreachable(code: string, url: string, path: string): Observation {
  if (code === 'timeout') {
    return fail(
      `${url} did not answer within 10 seconds`,
      `See the log of ${path} in the Vercel project, check whether a firewall drops the connection, then try again.`,
    );
  }
  const isName = code === 'ENOTFOUND' || code === 'EAI_AGAIN';
  const isTls = /CERT|TLS|SSL|EPROTO|SIGNED|VERIFY/.test(code);
  if (isTls) {
    return fail(
      `the certificate of ${url} is not accepted (${code})`,
      'Wait until Vercel has created the certificate of the domain (Settings, Domains), or correct PUBLIC_URL.',
    );
  }
  return fail(
    isName ? `the host of ${url} does not exist (${code})` : `${url} cannot be reached (${code})`,
    'Set PUBLIC_URL to the domain that the Vercel project shows under Domains, here and in the project.',
  );
}

/** Sends a probe over the queue and waits for the small object that the function writes for it. */
async function checkDelivery({ clock, queue, store, url }: WayBack): Promise<Observation> {
  const id = randomUUID();
  const name = `probe/${id}`;
  const objects = store();
  // Fails at once if the store does not work here, instead of waiting half a minute in vain.
  await objects.create(`${name}-here`, Buffer.from(name));
  await objects.remove(`${name}-here`);
  const from = clock.now();
  const body = JSON.stringify({ probe: id });
  await queue().publish([{ body, deduplicationId: `probe-${id}`, delaySeconds: 0, flow: null }]);
  while (clock.now() - from < DELIVERY_MS) {
    if ((await objects.read(name)) !== null) {
      const seconds = ((clock.now() - from) / 1000).toFixed(1);
      await objects.remove(name);
      return ok(`a signed message was delivered within ${seconds} s`);
    }
    await clock.sleep(POLL_MS);
  }
  return fail(
    `the queue accepted a message but did not deliver it to ${url} within ${DELIVERY_MS / 1000} s`,
    'Check the message in the QStash console (Logs). If it was refused, the QSTASH_ signing keys or PUBLIC_URL in the Vercel project differ from those here; if it was delivered, BACKUP_STORE differs.',
  );
}
