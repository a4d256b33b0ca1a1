import { randomUUID } from 'node:crypto';
import type { Clock } from '../../ports/clock.js';
import type { Queue } from '../../ports/queue.js';
import type { ObjectStore } from '../../ports/store.js';
import type { Knock, TaskEndpoint } from '../../ports/task-endpoint.js';
import { fail, ok, type Check, type CheckGroup, type Observation } from '../doctor.js';

/** A probe is delivered within so long, in milliseconds, or not at all as far as a waiting operator goes. */
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

/** Whether the queue reaches us: by a request like its own, and by a message that it sends. */
export function wayBackChecks(way: WayBack): CheckGroup {
  return [wayBackCheck(way), { name: 'queue-delivery', limitMs: DELIVERY_MS + 30_000, run: () => probe(way) }];
}

/** By one request that is not signed, and is to be refused by this program itself. */
export function wayBackCheck({ endpoint, url }: Pick<WayBack, 'endpoint' | 'url'>): Check {
  const look = async (): Promise<Observation> =>
    evaluateRefusal(await endpoint().knock(), url, '/api/tasks', 'what is not signed');
  return { name: 'queue-way-back', run: look };
}

/** Codes of our own 401 to who shows nothing, or signs nothing. */
const REFUSALS: ReadonlySet<string> = new Set(['unauthorized', 'signature-missing']);

/** Whether an address answers with our own 401, as it must to a caller who may not be let in. `whom`: who or what is refused. */
export function evaluateRefusal(knock: Knock, url: string, path: string, whom: string): Observation {
  const fault = hostFault(knock, url, path);
  if (fault !== null) return fault;
  if (knock.kind === 'answer' && knock.problem !== null) {
    const { problem, status } = knock;
    if (status === 401 && REFUSALS.has(problem.code)) return ok(`${url}${path} refuses ${whom}, as it should`);
    return fail(
      `${url}${path} answers ${status} (${problem.code}): ${problem.detail}`,
      'The deployment lacks something: correct its variables in the Vercel project and deploy again.',
    );
  }
  const { isPage, status } = knock as Extract<Knock, { kind: 'answer' }>;
  return fail(
    `${url}${path} answers ${status} in another form than ours${isPage ? ' (an HTML page)' : ''}`,
    `Set PUBLIC_URL to the address of this program's own deployment; see the log of ${path} in the Vercel project.`,
  );
}

/** What answers at an address in place of this program, or that nothing does; null where it may be ours. */
export function hostFault(knock: Knock, url: string, path: string): Observation | null {
  if (knock.kind === 'failed') return unreachable(knock.code, url, path);
  const { hostError, isPage, problem, redirectsTo, status } = knock;
  if (problem !== null) return null;
  if (hostError?.startsWith('DEPLOYMENT_NOT_FOUND') === true) {
    return fail(
      `there is no deployment at ${url} (HTTP ${status}, ${hostError})`,
      'Set PUBLIC_URL to the domain that the Vercel project shows under Domains, here and in the project, and deploy again.',
    );
  }
  if (redirectsTo !== null && status >= 300 && status < 400) return redirected(status, redirectsTo, url);
  if (hostError !== null && status !== 404) {
    return fail(
      `the host answers ${status} (${hostError}) in place of the function`,
      `See the log of ${path} in the Vercel project; a paused or disabled deployment has to be turned on there.`,
    );
  }
  if (status === 401 || (status === 403 && isPage)) return protectedDeployment(status, url);
  if (status === 404 || status === 405) {
    return fail(
      `${url} has no ${path} (HTTP ${status}): another application answers there`,
      "Set PUBLIC_URL to the address of this program's own deployment, here and in the Vercel project.",
    );
  }
  return null;
}

function redirected(status: number, to: string, url: string): Observation {
  if (/(^|\.)vercel\.com$/.test(new URL(to).hostname)) return protectedDeployment(status, url);
  return fail(
    `${url} redirects to ${to} (HTTP ${status}), and the queue does not follow`,
    `Set PUBLIC_URL=${to} here and in the Vercel project, and deploy again.`,
  );
}

function protectedDeployment(status: number, url: string): Observation {
  return fail(
    `deployment protection answers at ${url} (HTTP ${status}) in place of the function, so that every delivery is refused`,
    'Vercel, project, Settings, Deployment Protection: let the production domain be public (Standard Protection) and set PUBLIC_URL to it. The functions check signatures themselves. Meanwhile --local works without the queue.',
  );
}

function unreachable(code: string, url: string, path: string): Observation {
  if (code === 'timeout') {
    return fail(
      `${url} did not answer within 10 seconds`,
      `See the log of ${path} in the Vercel project, and whether a firewall swallows the connection; then try again.`,
    );
  }
  const isName = code === 'ENOTFOUND' || code === 'EAI_AGAIN';
  const isTls = /CERT|TLS|SSL|EPROTO|SIGNED|VERIFY/.test(code);
  if (isTls) {
    return fail(
      `the certificate of ${url} is not accepted (${code})`,
      'Wait until Vercel has made the certificate of the domain (Settings, Domains), or correct PUBLIC_URL.',
    );
  }
  return fail(
    isName ? `the host of ${url} does not exist (${code})` : `${url} cannot be reached (${code})`,
    'Set PUBLIC_URL to the domain that the Vercel project shows under Domains, here and in the project.',
  );
}

/** A message of a separate kind: the function at the other end writes a small object, which is waited for. */
async function probe({ clock, queue, store, url }: WayBack): Promise<Observation> {
  const id = randomUUID();
  const name = `probe/${id}`;
  const found = store();
  // What cannot be written from here would not be seen coming from there, and half a minute would be waited in vain.
  await found.create(`${name}-here`, Buffer.from(name));
  await found.remove(`${name}-here`);
  const from = clock.now();
  const body = JSON.stringify({ probe: id });
  await queue().publish([{ body, deduplicationId: `probe-${id}`, delaySeconds: 0, flow: null }]);
  while (clock.now() - from < DELIVERY_MS) {
    if ((await found.read(name)) !== null) {
      const seconds = ((clock.now() - from) / 1000).toFixed(1);
      await found.remove(name);
      return ok(`a signed message came back within ${seconds} s`);
    }
    await clock.sleep(POLL_MS);
  }
  return fail(
    `a message that the queue took was not delivered to ${url} within ${DELIVERY_MS / 1000} s`,
    'See it in the QStash console (Logs): a refusal there means other QSTASH_ signing keys or PUBLIC_URL in the Vercel project than here; one that was delivered means another BACKUP_STORE there.',
  );
}
