import { pathToFileURL } from 'node:url';
import type { FromInstance, InstanceRequest } from './protocol.js';

type Handler = (request: Request) => Response | Promise<Response>;

const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'];

/** Runs in a separate process: loads the requested function and calls it, one invocation at a time. */
async function invoke(request: InstanceRequest): Promise<FromInstance> {
  const module = (await import(pathToFileURL(request.file).href)) as Record<string, unknown>;
  const handler = handlerOf(module, request.method);
  if (handler === null) return { type: 'no-such-method', allow: allowedMethods(module) };
  send({ type: 'running' });
  const bodiless = request.method === 'GET' || request.method === 'HEAD';
  const response = await handler(
    new Request(request.url, {
      method: request.method,
      headers: request.headers.map(([name, value]): [string, string] => [name, value]),
      ...(bodiless ? {} : { body: request.body }),
    }),
  );
  const body = request.method === 'HEAD' ? new Uint8Array() : new Uint8Array(await response.arrayBuffer());
  return { type: 'response', status: response.status, headers: [...response.headers], body };
}

/** GET answers HEAD when there is no handler for HEAD. */
function handlerOf(module: Record<string, unknown>, method: string): Handler | null {
  if (!METHODS.includes(method)) return null;
  const own = module[method] ?? (method === 'HEAD' ? module.GET : undefined);
  return typeof own === 'function' ? (own as Handler) : null;
}

function allowedMethods(module: Record<string, unknown>): string[] {
  return METHODS.filter((method) => handlerOf(module, method) !== null);
}

function send(message: FromInstance): void {
  // The 'disconnect' event reports a host that has ended.
  process.send?.(message, () => undefined);
}

process.on('disconnect', () => process.exit(0));
process.on('message', (request: InstanceRequest) => {
  invoke(request).then(send, (error: unknown) => {
    send({ type: 'threw', text: error instanceof Error ? (error.stack ?? error.message) : String(error) });
  });
});
