import { bodyOf, serveHttp, type HttpServer } from '../../dev/stand-in-server.js';

/** What the keys of JSON documents begin with. */
const DOCUMENT = 'doc:';

type Commands = (readonly string[])[];

/**
 * A stand-in of Upstash's REST protocol (`target`) that knows JSON documents as well: they are strings called `doc:*` in the server
 * behind. No server with JSON can be had for the tests; this holds the requests to their form, not the values to a real engine's.
 */
export async function startJsonStandIn(target: string): Promise<HttpServer> {
  return serveHttp(async (request, response) => {
    const body = (await bodyOf(request)).toString();
    const path = request.url ?? '/';
    const batch = path === '/pipeline' || path === '/multi-exec' ? (JSON.parse(body) as Commands) : null;
    const answer = await fetch(`${target}${path}`, {
      method: request.method ?? 'POST',
      headers: headersOf(request.headers),
      ...(body === '' ? {} : { body: batch === null ? body : JSON.stringify(batch.map(plain)) }),
    });
    const text = await answer.text();
    response.writeHead(answer.status, { 'content-type': 'application/json' });
    response.end(batch === null || !answer.ok ? text : typed(batch, text));
  });
}

function headersOf(headers: NodeJS.Dict<string | string[]>): Record<string, string> {
  const kept = ['authorization', 'content-type', 'upstash-encoding'];
  return Object.fromEntries(kept.flatMap((name) => (typeof headers[name] === 'string' ? [[name, headers[name]]] : [])));
}

function plain(command: readonly string[]): readonly string[] {
  const [name, key = '', , value = ''] = command;
  if (name === 'JSON.GET' || name === 'JSON.TYPE') return ['GET', key];
  return name === 'JSON.SET' ? ['SET', key, value] : command;
}

/** The replies with the type `json` where a document is of the type string. */
function typed(batch: Commands, text: string): string {
  const replies = JSON.parse(text) as { result?: unknown }[];
  batch.forEach(([name, key = '', ...rest], index) => {
    const reply = replies[index];
    if (reply === undefined) return;
    if (name === 'TYPE' && key.startsWith(DOCUMENT)) reply.result = asJson(reply.result);
    if (name !== 'SCAN' || !rest.includes('WITHTYPE') || !Array.isArray(reply.result)) return;
    const flat = reply.result[1] as string[];
    for (let at = 0; at + 1 < flat.length; at += 2) {
      if (decoded(flat[at]).startsWith(DOCUMENT)) flat[at + 1] = asJson(flat[at + 1]) as string;
    }
  });
  return JSON.stringify(replies);
}

/** Both ways of encoding a reply: as text, and in base64. */
function asJson(type: unknown): unknown {
  if (type === 'string') return 'json';
  return type === encoded('string') ? encoded('json') : type;
}

const encoded = (text: string): string => Buffer.from(text).toString('base64');
const decoded = (text = ''): string => (text.startsWith(DOCUMENT) ? text : Buffer.from(text, 'base64').toString());
