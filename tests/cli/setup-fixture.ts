import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import getPort from 'get-port';
import { startFunctionHost, type FunctionHost } from '../../dev/function-host/index.js';
import { startUpstashAccount, type UpstashAccountStandIn } from '../../dev/upstash-account/index.js';
import { startVercelApi, type VercelStandIn } from '../../dev/vercel-api/index.js';
import { openStack, ROOT, type CliStack } from './fixture.js';

export const PROJECT = 'soulcaster-backup';

/** All that a deployment is set up against, and a folder to do it in. */
export interface Clouds {
  readonly stack: CliStack;
  readonly account: UpstashAccountStandIn;
  readonly vercel: VercelStandIn;
  /** A server that answers every request with 200: of alerts and heartbeats. */
  readonly receiver: string;
  readonly folder: string;
  /** Where production answers, once it was built. */
  readonly publicUrl: string;
  /** The functions of the last build, with the variables that the project had then. */
  production(): Promise<FunctionHost>;
  /** What a new operator knows, with the addresses of the stand-ins. */
  readonly answers: Readonly<Record<string, string>>;
  stop(): Promise<void>;
}

export async function openClouds(): Promise<Clouds> {
  const stack = await openStack();
  const folder = await mkdtemp(join(tmpdir(), 'setup-'));
  const { env, redis, secrets, urls } = stack;
  const account = await startUpstashAccount({
    databases: [
      {
        id: 'db-main',
        name: 'soulcaster',
        endpoint: new URL(redis.url).host,
        redisUrl: urls.redis,
        restToken: redis.token,
      },
    ],
  });
  const port = await getPort({ host: '127.0.0.1' });
  let host: Promise<FunctionHost> | null = null;
  const serve = async (variables: Readonly<Record<string, string>>): Promise<FunctionHost> => {
    await (await host)?.stop();
    return startFunctionHost({ root: ROOT, env: variables, port, maxInstances: 2, onLog: () => undefined });
  };
  const vercel = await startVercelApi({
    // As the Deploy button leaves it: built once, with nothing set.
    projects: { [PROJECT]: {} },
    domains: { [PROJECT]: [`127.0.0.1:${port}`] },
    build: (_, variables) => {
      host = serve(variables);
      return { buildingReads: 1 };
    },
  });
  const server = createServer((_, response) => response.end('ok')).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const receiver = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const answers = {
    BACKUP_LABEL: 'rehearsal',
    UPSTASH_API_URL: account.url,
    UPSTASH_EMAIL: account.email,
    UPSTASH_API_KEY: account.apiKey,
    VERCEL_API_URL: vercel.url,
    VERCEL_API_TOKEN: vercel.token,
    BACKUP_STORE: pathToFileURL(join(folder, 'first')).href,
    BACKUP_REPLICA_STORE: pathToFileURL(join(folder, 'second')).href,
    SOULCASTER_BACKUP_PROJECT: PROJECT,
    QSTASH_URL: env['QSTASH_URL'] ?? '',
    QSTASH_TOKEN: secrets.queueToken,
    ALERT_WEBHOOK_URL: `${receiver}/alerts/secret-path`,
    HEARTBEAT_URL: `${receiver}/ping/secret-path`,
    DRILL_REDIS_REST_URL: env['DRILL_REDIS_REST_URL'] ?? '',
    DRILL_REDIS_REST_TOKEN: env['DRILL_REDIS_REST_TOKEN'] ?? '',
    UPSTASH_VECTOR_REST_URL: env['UPSTASH_VECTOR_REST_URL'] ?? '',
    UPSTASH_VECTOR_REST_TOKEN: env['UPSTASH_VECTOR_REST_TOKEN'] ?? '',
    GEMINI_API_KEY: env['GEMINI_API_KEY'] ?? '',
    GEMINI_BASE_URL: env['GEMINI_BASE_URL'] ?? '',
    PROVIDER_STATUS_URLS: 'off',
  };
  return {
    stack,
    account,
    vercel,
    receiver,
    folder,
    publicUrl: `http://127.0.0.1:${port}`,
    production: () => host ?? Promise.reject(new Error('production was never built')),
    answers,
    async stop() {
      server.close();
      server.closeAllConnections();
      await (await host)?.stop();
      await Promise.all([stack.stop(), account.stop(), vercel.stop()]);
      await rm(folder, { recursive: true, force: true });
    },
  };
}
