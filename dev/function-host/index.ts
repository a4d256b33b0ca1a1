import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { projectRoot } from '../../lib/project-root.js';
import type { FromHost, HostConfig, ToHost } from './protocol.js';
import { limitsOf, readVercelConfig, type VercelConfig } from './paths.js';

export interface FunctionHostOptions {
  /** Folder of the project: functions are in its dist/bundle/functions, static files in its public, beside its vercel.json. */
  readonly root: string;
  /** The environment of the functions, beside PATH, HOME and TZ=UTC. */
  readonly env: Readonly<Record<string, string>>;
  /** Default: a free port. */
  readonly port?: number;
  /** Default `{root}/vercel.json`, if the file exists. */
  readonly vercelJson?: string;
  /** Limit of every function, in seconds; default: maxDuration of vercel.json, else 300. */
  readonly limitSeconds?: number;
  /** Default `dist/bundle/functions`, relative to `root`. */
  readonly functionsDir?: string;
  /** Concurrent invocations, each in a separate instance; others wait. Default 4. */
  readonly maxInstances?: number;
  /** Called with each line that a function logs, prefixed with `[api/name] `; default: prints to stderr. */
  readonly onLog?: (line: string) => void;
}

export interface FunctionHost {
  readonly url: string;
  readonly pid: number;
  /** Calls a cron of vercel.json as Vercel does. Throws when vercel.json has no such cron. */
  fireCron(path: string): Promise<Response>;
  /** SIGKILLs every instance, so that callers get 502; the host continues. Returns how many instances there were. */
  killAll(): Promise<number>;
  /** SIGKILLs the host and its instances, as a power cut would. */
  kill(): Promise<void>;
  stop(): Promise<void>;
}

/** Vercel's limit on its smallest plan, in seconds. */
const DEFAULT_LIMIT_SECONDS = 300;

/**
 * A stand-in for Vercel on 127.0.0.1: runs the built functions of a project in separate processes.
 *
 * Modelled: routing by file with `[name]` segments, named exports by method, static files, maxDuration (a process that runs
 * too long is killed), reuse of instances, crons with their authorisation, headers of vercel.json, the request size limit,
 * the platform's error answers, an environment of exactly the given variables.
 *
 * Not modelled: bundling, edge functions, rewrites and redirects of vercel.json, streaming, several
 * invocations in one instance, freezing an instance after its answer, memory limits. An instance runs any of the
 * functions, where Vercel may keep them apart.
 */
export async function startFunctionHost(options: FunctionHostOptions): Promise<FunctionHost> {
  const vercel = await readVercelConfig(options.vercelJson ?? join(options.root, 'vercel.json'));
  const child = fork(builtFile('main.js'), [], {
    execArgv: [],
    env: {},
    // A separate group, so that a kill reaches the instances as well.
    detached: true,
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  });
  if (child.stderr !== null) createInterface(child.stderr).on('line', options.onLog ?? printLine);
  const port = await waitUntilReady(child, configOf(options, vercel));
  const url = `http://127.0.0.1:${port}`;
  let requests = 0;
  return {
    url,
    pid: child.pid ?? 0,
    fireCron: (path) => fireCron(url, path, vercel, options.env.CRON_SECRET),
    async killAll() {
      const id = ++requests;
      const answer = waitForMessage(child, (message) =>
        message.type === 'killed' && message.id === id ? message.count : null,
      );
      send(child, { type: 'kill-all', id });
      return answer;
    },
    kill: () => endChild(child, () => killGroup(child)),
    stop: () => endChild(child, () => send(child, { type: 'stop' })),
  };
}

function configOf(options: FunctionHostOptions, vercel: VercelConfig | null): HostConfig {
  return {
    functionsDir: join(options.root, options.functionsDir ?? 'dist/bundle/functions'),
    publicDir: join(options.root, 'public'),
    env: options.env,
    port: options.port ?? 0,
    limits: options.limitSeconds === undefined ? limitsOf(vercel) : [],
    defaultLimitSeconds: options.limitSeconds ?? DEFAULT_LIMIT_SECONDS,
    headers: vercel?.headers ?? [],
    rewrites: vercel?.rewrites ?? [],
    maxInstances: options.maxInstances ?? 4,
  };
}

/** Vercel calls with GET, and without the header when there is no secret: https://vercel.com/docs/cron-jobs */
async function fireCron(
  url: string,
  path: string,
  vercel: VercelConfig | null,
  secret: string | undefined,
): Promise<Response> {
  if (vercel !== null && !vercel.crons.some((cron) => cron.path === path)) {
    throw new Error(`vercel.json has no cron for ${path}`);
  }
  const authorization = secret === undefined || secret === '' ? {} : { authorization: `Bearer ${secret}` };
  return fetch(`${url}${path}`, { headers: { 'user-agent': 'vercel-cron/1.0', ...authorization } });
}

/** Processes start from built files, even when this file runs from source in a test, or bundled. */
function builtFile(name: string): string {
  return join(projectRoot(), 'dist/dev/function-host', name);
}

async function waitUntilReady(child: ChildProcess, config: HostConfig): Promise<number> {
  const port = waitForMessage(child, (message) => {
    if (message.type === 'failed') throw new Error(`The function host did not start: ${message.message}`);
    return message.type === 'ready' ? message.port : null;
  });
  send(child, { type: 'start', config });
  return port.catch(async (error: unknown) => {
    await endChild(child, () => killGroup(child));
    throw error;
  });
}

/** Resolves with the first value that `pick` finds in a message; rejects when `pick` throws or the process ends. */
function waitForMessage<T>(child: ChildProcess, pick: (message: FromHost) => T | null): Promise<T> {
  return new Promise((resolve, reject) => {
    const onMessage = (message: FromHost): void => {
      try {
        const value = pick(message);
        if (value !== null) finish(() => resolve(value));
      } catch (error) {
        finish(() => reject(error instanceof Error ? error : new Error('No value', { cause: error })));
      }
    };
    const onExit = (): void => finish(() => reject(new Error('The function host ended')));
    const finish = (call: () => void): void => {
      child.off('message', onMessage);
      child.off('exit', onExit);
      call();
    };
    child.on('message', onMessage);
    child.on('exit', onExit);
  });
}

function send(child: ChildProcess, message: ToHost): void {
  // The exit event reports a host that has ended.
  if (child.connected) child.send(message, () => undefined);
}

function killGroup(child: ChildProcess): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, 'SIGKILL');
  } catch {
    // The group has already ended.
  }
}

async function endChild(child: ChildProcess, end: () => void): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  end();
  await exited;
}

function printLine(line: string): void {
  process.stderr.write(`${line}\n`);
}
