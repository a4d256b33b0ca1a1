import { bodyOf, serveHttp } from '../../../dev/stand-in-server.js';
import type { AlertNotice } from '../../../lib/ports/alerter.js';

interface Received {
  readonly at: number;
  readonly text: string;
  readonly alerts: readonly AlertNotice[];
}

/** Takes alerts and pings over HTTP, as Slack and healthchecks.io would. */
export interface Receiver {
  readonly alertUrl: string;
  readonly heartbeatUrl: string;
  readonly messages: readonly Received[];
  readonly pings: readonly { readonly at: number; readonly signal: string }[];
  /** Status of the answers to alerts. */
  status: number;
  /** Keys `code subject` of the alerts that are open, going by what was received. */
  open(): Set<string>;
  stop(): Promise<void>;
}

/** `now`: the time to put down. */
export async function startReceiver(now: () => number): Promise<Receiver> {
  const messages: Received[] = [];
  const pings: { at: number; signal: string }[] = [];
  const keys = new Set<string>();
  /** A message whose sender died before it could note that it was sent comes again under its key. */
  const isNew = (key: string | string[] | undefined): boolean =>
    typeof key !== 'string' || (!keys.has(key) && keys.add(key).size > 0);
  const server = await serveHttp(async (request, response) => {
    const body = (await bodyOf(request)).toString();
    const path = request.url ?? '';
    // A look at whether the host is there is neither a message nor a ping.
    if (path === '/') response.writeHead(200).end('ok');
    if (response.writableEnded) return;
    if (path.startsWith('/ping')) pings.push({ at: now(), signal: path.slice('/ping'.length) || '/success' });
    else if (receiver.status < 300 && isNew(request.headers['idempotency-key']))
      messages.push({ at: now(), ...(JSON.parse(body) as Omit<Received, 'at'>) });
    response.writeHead(path.startsWith('/ping') ? 200 : receiver.status);
    response.end('ok');
  });
  const base = server.url;
  const receiver: Receiver = {
    alertUrl: `${base}/services/T0/B0/secret-of-the-hook`,
    heartbeatUrl: `${base}/ping`,
    messages,
    pings,
    status: 200,
    open() {
      const open = new Set<string>();
      for (const { event, code, subject } of messages.flatMap(({ alerts }) => alerts)) {
        if (event === 'test') continue;
        if (event === 'recovered') open.delete(`${code} ${subject}`);
        else open.add(`${code} ${subject}`);
      }
      return open;
    },
    stop: server.stop,
  };
  return receiver;
}
