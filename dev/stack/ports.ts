import { once } from 'node:events';
import { createServer } from 'node:net';
import { AppError } from '../../lib/errors.js';

/**
 * Throws `config` when one of the ports is taken. Call it before anything is started: a part that fails on its port may
 * already have started something else.
 */
export async function checkPorts(ports: readonly number[]): Promise<void> {
  for (const port of ports) {
    const server = createServer().listen(port, '127.0.0.1');
    try {
      await once(server, 'listening');
    } catch (error) {
      throw isPortTaken(error) ? portTakenError(error) : error;
    } finally {
      server.close();
    }
  }
}

export function isPortTaken(error: unknown): boolean {
  return String(error).includes('EADDRINUSE');
}

export function portTakenError(cause: unknown): AppError {
  return new AppError('config', 'A port of the local stack is taken by another process', {
    hint: 'Choose another port, or leave the choice to the system.',
    cause,
  });
}
