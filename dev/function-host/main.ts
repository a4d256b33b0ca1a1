import { serveHttp } from '../stand-in-server.js';
import { Pool } from './pool.js';
import type { FromHost, HostConfig, ToHost } from './protocol.js';
import { findRoutes } from './paths.js';
import { serve } from './server.js';

/** The host process: the parent sends the configuration, and the process ends with the parent. */
let pool: Pool | null = null;

const log = (line: string): void => void process.stderr.write(`${line}\n`);
const send = (message: FromHost): void => void process.send?.(message);

async function start(config: HostConfig): Promise<void> {
  const instances = new Pool({ env: config.env, maxInstances: config.maxInstances, log });
  pool = instances;
  const routes = await findRoutes(config.functionsDir);
  const context = { config, routes, pool: instances, log };
  const { url } = await serveHttp((request, response) => serve(context, request, response), config.port);
  send({ type: 'ready', port: Number(new URL(url).port) });
}

function end(): void {
  pool?.killAll();
  process.exit(0);
}

process.on('message', (message: ToHost) => {
  switch (message.type) {
    case 'start':
      start(message.config).catch((error: unknown) =>
        send({ type: 'failed', message: error instanceof Error ? error.message : String(error) }),
      );
      break;
    case 'kill-all':
      send({ type: 'killed', id: message.id, count: pool?.killAll() ?? 0 });
      break;
    case 'stop':
      end();
  }
});
process.on('disconnect', end);
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, end);
