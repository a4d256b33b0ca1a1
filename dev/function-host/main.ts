import type { AddressInfo } from 'node:net';
import { Pool } from './pool.js';
import type { FromHost, HostConfig, Invocation, ToHost } from './protocol.js';
import { findRoutes } from './routes.js';
import { createHostServer } from './server.js';

/** The host process: it is told by its parent what to serve, and ends when the parent is gone. */
let pool: Pool | null = null;
let questions = 0;
const open = new Map<number, (afterMs: number | null) => void>();

const log = (line: string): void => void process.stderr.write(`${line}\n`);
const tell = (message: FromHost): void => void process.send?.(message);

function ask(invocation: Invocation): Promise<number | null> {
  return new Promise((resolve) => {
    const id = ++questions;
    open.set(id, resolve);
    tell({ type: 'kill-question', id, invocation });
  });
}

async function start(config: HostConfig): Promise<void> {
  const instances = new Pool({ env: config.env, maxInstances: config.maxInstances, log });
  pool = instances;
  const routes = await findRoutes(config.functionsDir);
  const killAfterMs = config.askKill ? ask : () => Promise.resolve(null);
  const server = createHostServer({ config, routes, pool: instances, killAfterMs, log });
  server.once('error', (error) => tell({ type: 'failed', message: error.message }));
  server.listen(config.port, '127.0.0.1', () => tell({ type: 'ready', port: (server.address() as AddressInfo).port }));
}

function end(): void {
  pool?.killAll();
  process.exit(0);
}

process.on('message', (message: ToHost) => {
  switch (message.type) {
    case 'start':
      start(message.config).catch((error: unknown) => tell({ type: 'failed', message: String(error) }));
      break;
    case 'kill-all':
      tell({ type: 'killed', id: message.id, count: pool?.killAll() ?? 0 });
      break;
    case 'kill-answer':
      open.get(message.id)?.(message.afterMs);
      open.delete(message.id);
      break;
    case 'stop':
      end();
  }
});
process.on('disconnect', end);
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, end);
