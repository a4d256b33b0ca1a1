/** One command of a request: its name and its arguments. */
export type Command = readonly [name: string | Buffer, ...args: (string | Buffer)[]];

export interface RestRequest {
  readonly mode: 'single' | 'pipeline' | 'transaction';
  readonly commands: readonly Command[];
}

/** A request that violates the protocol; `message` is returned with HTTP 400. */
export class BadRequest extends Error {}

/** Parses an HTTP request: a command in the path or in a JSON body, or a JSON array of commands. */
export function parseRequest(path: string, query: string, body: Buffer): RestRequest {
  if (path === '/pipeline') return { mode: 'pipeline', commands: parseBatch(body) };
  if (path === '/multi-exec') return { mode: 'transaction', commands: parseBatch(body) };
  if (path === '/') return { mode: 'single', commands: [toCommand(parseJson(body))] };
  return { mode: 'single', commands: [fromPath(path, query, body)] };
}

function parseBatch(body: Buffer): Command[] {
  const batch = parseJson(body);
  if (!Array.isArray(batch)) throw new BadRequest('ERR failed to parse pipeline request');
  if (batch.length === 0) throw new BadRequest('ERR empty pipeline request');
  return batch.map(toCommand);
}

function parseJson(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8')) as unknown;
  } catch {
    throw new BadRequest('ERR failed to parse request body as JSON');
  }
}

function toCommand(value: unknown): Command {
  if (!Array.isArray(value)) throw new BadRequest('ERR failed to parse command');
  const [name, ...args] = value.map(toArgument);
  if (name === undefined || name === '') throw new BadRequest('ERR empty command');
  return [name, ...args];
}

function toArgument(value: unknown): string {
  if (typeof value === 'string') return value;
  if (typeof value === 'number' || typeof value === 'boolean') return String(value);
  throw new BadRequest(value === null ? 'ERR null args are not supported' : 'ERR unsupported arg type');
}

/** `/set/key` with a raw body as the last argument of the path, and query parameters after it. */
function fromPath(path: string, query: string, body: Buffer): Command {
  const [name, ...args] = path.slice(1).split('/').map(percentDecode);
  if (name === undefined || name.length === 0) throw new BadRequest('ERR empty command');
  if (body.length > 0) args.push(body);
  for (const [option, value] of new URLSearchParams(query)) {
    if (option === '_token') continue;
    args.push(Buffer.from(option));
    if (value !== '') args.push(Buffer.from(value));
  }
  return [name, ...args];
}

/** Percent-decoding to bytes: a key in a path need not be UTF-8. */
function percentDecode(segment: string): Buffer {
  if (/%(?![0-9a-f]{2})/i.test(segment)) throw new BadRequest('ERR invalid URL escape');
  const latin1 = segment.replace(/%([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(parseInt(hex, 16)));
  return Buffer.from(latin1, 'latin1');
}
