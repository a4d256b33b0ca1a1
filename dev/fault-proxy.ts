import { type IncomingMessage, request as httpRequest, type ServerResponse } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { randomBytes } from 'node:crypto';
import { bodyOf, serveHttp, type HttpServer } from './stand-in-server.js';

/** A request as the proxy received it, with its whole body. */
export interface ProxiedRequest {
  /** Counts from 0 in the order of arrival. */
  readonly index: number;
  readonly method: string;
  /** Path with query. */
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: Buffer;
}

/**
 * What happens to a request: `pass` forwards it; a status answers it without forwarding; `reset` cuts the connection
 * without forwarding; `lose-reply` forwards it and cuts the connection instead of answering; `delayMs` waits, then
 * forwards; `header` forwards it with another value of that header.
 */
export type FaultAction =
  | 'pass'
  | 'reset'
  | 'lose-reply'
  | { readonly status: number; readonly headers?: Readonly<Record<string, string>>; readonly body?: string | Buffer }
  | { readonly delayMs: number }
  | { readonly header: string; readonly value: string };

interface FaultProxyOptions {
  /** Base URL of the service, `http:` only. */
  readonly target: string;
  readonly rule: (request: ProxiedRequest) => FaultAction | Promise<FaultAction>;
  /** Default: any free port. */
  readonly port?: number;
  /** Whether requests are kept for `requests`; default true. */
  readonly remember?: boolean;
}

export interface FaultProxy extends HttpServer {
  /** Every request so far, in the order of arrival. */
  readonly requests: readonly ProxiedRequest[];
}

/**
 * An HTTP proxy in front of one service that injects network faults on demand. Headers are forwarded unchanged, Host included,
 * so that signatures over them (AWS SigV4) stay valid.
 */
export async function startFaultProxy({
  port = 0,
  remember = true,
  rule,
  target,
}: FaultProxyOptions): Promise<FaultProxy> {
  const requests: ProxiedRequest[] = [];
  async function handle(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    const body = await bodyOf(incoming);
    const { method = 'GET', url: path = '/', headers } = incoming;
    const request = { index: requests.length, method, path, headers, body };
    if (remember) requests.push(request);
    const action = await rule(request);
    if (action === 'reset') {
      cut(outgoing);
      return;
    }
    if (typeof action === 'object' && 'status' in action) {
      outgoing.writeHead(action.status, { ...action.headers }).end(action.body);
      return;
    }
    if (typeof action === 'object' && 'delayMs' in action) await delay(action.delayMs, undefined, { ref: false });
    const reply = await forward(target, request, withHeader(incoming.rawHeaders, action));
    if (action === 'lose-reply') cut(outgoing);
    else outgoing.writeHead(reply.status, reply.headers).end(reply.body);
  }

  return { ...(await serveHttp(handle, port)), requests };
}

interface Reply {
  readonly status: number;
  readonly headers: string[];
  readonly body: Buffer;
}

function forward(target: string, { method, path, body }: ProxiedRequest, rawHeaders: string[]): Promise<Reply> {
  const { hostname, port } = new URL(target);
  return new Promise((resolve, reject) => {
    const headers = endToEnd(rawHeaders);
    // A chunked body has no length yet. Without a body no length is added: the headers may be signed.
    if (body.length > 0 && !hasHeader(headers, 'content-length')) headers.push('Content-Length', String(body.length));
    const onward = httpRequest({ hostname, port, method, path, headers, agent: false }, (reply) => {
      bodyOf(reply).then(
        (bytes) => resolve({ status: reply.statusCode ?? 502, headers: endToEnd(reply.rawHeaders), body: bytes }),
        reject,
      );
    });
    onward.once('error', reject).end(body);
  });
}

function withHeader(rawHeaders: string[], action: FaultAction): string[] {
  if (typeof action !== 'object' || !('header' in action)) return rawHeaders;
  return rawHeaders.map((text, at) =>
    at % 2 === 1 && rawHeaders[at - 1]?.toLowerCase() === action.header ? action.value : text,
  );
}

/** Removes the headers of a single connection (RFC 9110 section 7.6.1); names and values alternate. */
function endToEnd(rawHeaders: readonly string[]): string[] {
  const ofConnection = ['connection', 'keep-alive', 'transfer-encoding', 'expect'];
  return rawHeaders.filter((_, at) => !ofConnection.includes((rawHeaders[at - (at % 2)] ?? '').toLowerCase()));
}

function hasHeader(rawHeaders: readonly string[], name: string): boolean {
  return rawHeaders.some((text, at) => at % 2 === 0 && text.toLowerCase() === name);
}

function cut(outgoing: ServerResponse): void {
  outgoing.socket?.resetAndDestroy();
}

/** The header that carries a service's key. */
type KeyHeader = 'authorization' | 'x-goog-api-key';

interface ServiceProxyOptions {
  /** Base URL of the stand-in. */
  readonly target: string;
  /** Default: any free port. */
  readonly port?: number;
  /** The key that the stand-in accepts; null when it authenticates in another way. */
  readonly key: { readonly header: KeyHeader; readonly value: string } | null;
}

/** A proxy in front of a stand-in that injects faults and replaces the accepted key. */
export interface ServiceProxy {
  readonly url: string;
  /** Sets the fault of all further requests, or of those that the function selects; null removes it. */
  fail(fault: FaultAction | null | ((request: ProxiedRequest) => FaultAction | null)): void;
  /** Replaces the accepted key, as a reset in the console does, and returns the new key. */
  changeKey(): string;
  stop(): Promise<void>;
}

export async function startServiceProxy({ key, port, target }: ServiceProxyOptions): Promise<ServiceProxy> {
  let faultOf: (request: ProxiedRequest) => FaultAction | null = () => null;
  let newKey: string | null = null;
  const headerValue = (value: string): string => (key?.header === 'authorization' ? `Bearer ${value}` : value);
  const proxy = await startFaultProxy({
    target,
    remember: false,
    ...(port === undefined ? {} : { port }),
    rule(request) {
      const fault = faultOf(request);
      if (fault !== null) return fault;
      if (key === null || newKey === null) return 'pass';
      const isNew = request.headers[key.header] === headerValue(newKey);
      return { header: key.header, value: headerValue(isNew ? key.value : 'a-key-that-was-revoked') };
    },
  });
  return {
    url: proxy.url,
    fail: (fault) => void (faultOf = typeof fault === 'function' ? fault : () => fault),
    changeKey: () => (newKey = randomBytes(24).toString('base64url')),
    stop: () => proxy.stop(),
  };
}
