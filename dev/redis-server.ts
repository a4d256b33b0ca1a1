import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import getPort from 'get-port';
import { Redis } from 'ioredis';
import { AppError } from '../lib/errors.js';
import { findProgram, REDIS_SERVER } from './packages.js';

interface RedisServerOptions {
  /** Folder of the append-only file that keeps the data across restarts. Default: nothing is persisted. */
  readonly folder?: string;
  /** Additional command-line arguments; they come last and take precedence. */
  readonly args?: readonly string[];
}

export interface RedisServer {
  readonly port: number;
  /** `redis://127.0.0.1:PORT` */
  readonly url: string;
  readonly pid: number;
  /** Shuts the server down as an operator would (SIGTERM, after 5 s SIGKILL) and removes the temporary folder. */
  stop(): Promise<void>;
  /** Kills the server with SIGKILL, as a crash would, and removes the temporary folder. */
  kill(): Promise<void>;
}

const START_TIMEOUT_MS = 20_000;
const STOP_TIMEOUT_MS = 5_000;
/** Another process may take a free port before redis-server binds it. */
const PORT_TRIES = 5;

/**
 * Starts Debian's redis-server on a free loopback port and returns when it answers PING. The server does not outlive
 * this process. Throws `config` when the program is not installed or does not start.
 */
export async function startRedisServer(options: RedisServerOptions = {}): Promise<RedisServer> {
  const program = await findProgram(REDIS_SERVER.binary);
  if (program === null) {
    throw new AppError('config', 'redis-server is not installed', {
      hint: `Install it: sudo apt-get install -y ${REDIS_SERVER.packages.join(' ')}`,
    });
  }
  const scratch = await mkdtemp(join(tmpdir(), 'soulcaster-redis-'));
  for (let attempt = 1; attempt <= PORT_TRIES; attempt++) {
    const port = await getPort({ host: '127.0.0.1' });
    const child = await launch(program, buildArguments(port, scratch, options));
    if (await waitUntilReady(child, port)) return createHandle(child, port, scratch);
    await end(child, 'SIGKILL');
    const log = await readFile(join(scratch, 'redis.log'), 'utf8').catch(() => '');
    if (!log.includes('Address already in use')) break;
  }
  const lines = (await readFile(join(scratch, 'redis.log'), 'utf8').catch(() => '')).trim().split('\n').slice(-3);
  await rm(scratch, { recursive: true, force: true });
  throw new AppError('config', `redis-server did not start: ${lines.join(' | ')}`, {
    hint: 'Start it by hand with the same arguments to see why, and check free memory and disk space.',
  });
}

function buildArguments(port: number, scratch: string, { folder, args = [] }: RedisServerOptions): string[] {
  const persistence = folder === undefined ? ['--dir', scratch] : ['--dir', folder, '--appendonly', 'yes'];
  const own = ['--bind', '127.0.0.1', '--port', String(port), '--daemonize', 'no', '--save', ''];
  return [...own, '--logfile', join(scratch, 'redis.log'), ...persistence, ...args];
}

async function launch(program: string, args: readonly string[]): Promise<ChildProcess> {
  // With setpriv the kernel ends the server even when this process is killed; otherwise the exit handler does on normal exits.
  const setpriv = await findProgram('setpriv');
  const child =
    setpriv === null
      ? spawn(program, args, { stdio: 'ignore' })
      : spawn(setpriv, ['--pdeathsig', 'KILL', program, ...args], { stdio: 'ignore' });
  child.on('error', () => undefined);
  child.unref();
  return child;
}

async function waitUntilReady(child: ChildProcess, port: number): Promise<boolean> {
  const probe = new Redis({
    host: '127.0.0.1',
    port,
    protocol: 2,
    retryStrategy: () => 25,
    maxRetriesPerRequest: null,
  });
  probe.on('error', () => undefined);
  let timer: NodeJS.Timeout | undefined;
  const answered = probe.ping().then(
    () => child.exitCode === null,
    () => false,
  );
  const tooLate = new Promise<boolean>((resolve) => {
    timer = setTimeout(() => resolve(false), START_TIMEOUT_MS);
    child.once('exit', () => resolve(false));
    child.once('error', () => resolve(false));
  });
  try {
    return await Promise.race([answered, tooLate]);
  } finally {
    clearTimeout(timer);
    probe.disconnect();
  }
}

function createHandle(child: ChildProcess, port: number, scratch: string): RedisServer {
  const onExit = (): void => {
    child.kill('SIGKILL');
    rmSync(scratch, { recursive: true, force: true });
  };
  process.once('exit', onExit);
  const finish = async (signal: NodeJS.Signals): Promise<void> => {
    await end(child, signal);
    process.removeListener('exit', onExit);
    await rm(scratch, { recursive: true, force: true });
  };
  return {
    port,
    url: `redis://127.0.0.1:${port}`,
    pid: child.pid ?? 0,
    stop: () => finish('SIGTERM'),
    kill: () => finish('SIGKILL'),
  };
}

async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  child.ref();
  const gone = once(child, 'exit');
  child.kill(signal);
  const killTimer = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT_MS);
  await gone;
  clearTimeout(killTimer);
}
