import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { homedir } from 'node:os';
import { dirname } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import pLimit from 'p-limit';
import type { FromInstance, InstanceRequest } from './protocol.js';

/** How long a function's module may take to load, in milliseconds. */
const LOAD_LIMIT_MS = 30_000;

export type Outcome =
  | Exclude<FromInstance, { type: 'running' }>
  | { readonly type: 'timeout' }
  /** The process ended during the invocation: by a signal, or because the function's code ended it. */
  | { readonly type: 'ended'; readonly signal: string | null };

interface Job {
  /** Prefix of the function's log lines. */
  readonly name: string;
  readonly request: InstanceRequest;
  readonly limitMs: number;
}

interface Instance {
  readonly child: ChildProcess;
  /** The function that runs in the instance, or ran last. */
  name: string;
}

interface PoolOptions {
  readonly env: Readonly<Record<string, string>>;
  readonly maxInstances: number;
  readonly log: (line: string) => void;
}

/** A pool of processes, started on demand and reused; a function that exceeds its limit is killed with its process. */
export class Pool {
  private readonly instances = new Set<Instance>();
  private readonly idle: Instance[] = [];
  private readonly limit;

  constructor(private readonly options: PoolOptions) {
    this.limit = pLimit(options.maxInstances);
  }

  /** Runs the job as soon as an instance is free. */
  run(job: Job): Promise<Outcome> {
    return this.limit(() => this.runNow(job));
  }

  /** Kills every instance. Returns how many there were. */
  killAll(): number {
    const count = this.instances.size;
    for (const { child } of this.instances) child.kill('SIGKILL');
    return count;
  }

  private async runNow(job: Job): Promise<Outcome> {
    const instance = this.idle.pop() ?? this.start();
    instance.name = job.name;
    const outcome = await this.invoke(instance.child, job);
    if (this.instances.has(instance) && outcome.type !== 'timeout') this.idle.push(instance);
    return outcome;
  }

  private invoke(child: ChildProcess, job: Job): Promise<Outcome> {
    return new Promise((resolve) => {
      const timeOut = (): void => {
        child.kill('SIGKILL');
        finish({ type: 'timeout' });
      };
      let timer = setTimeout(timeOut, LOAD_LIMIT_MS);
      const finish = (outcome: Outcome): void => {
        clearTimeout(timer);
        child.off('message', onMessage);
        child.off('exit', onExit);
        resolve(outcome);
      };
      const onMessage = (message: FromInstance): void => {
        if (message.type !== 'running') {
          finish(message);
          return;
        }
        clearTimeout(timer);
        timer = setTimeout(timeOut, job.limitMs);
      };
      const onExit = (_: number | null, signal: string | null): void => finish({ type: 'ended', signal });
      child.on('message', onMessage);
      child.on('exit', onExit);
      // The exit event reports a process that has just died.
      child.send(job.request, () => undefined);
    });
  }

  private start(): Instance {
    const child = fork(fileURLToPath(new URL('./instance.js', import.meta.url)), [], {
      execArgv: [],
      serialization: 'advanced',
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      env: {
        PATH: `${dirname(process.execPath)}:/usr/local/bin:/usr/bin:/bin`,
        HOME: homedir(),
        TZ: 'UTC',
        ...this.options.env,
      },
    });
    const instance: Instance = { child, name: '' };
    this.instances.add(instance);
    child.on('error', (error) => this.options.log(`[host] ${error.message}`));
    child.on('exit', () => {
      this.instances.delete(instance);
      const index = this.idle.indexOf(instance);
      if (index >= 0) this.idle.splice(index, 1);
    });
    for (const stream of [child.stdout, child.stderr]) {
      if (stream === null) continue;
      createInterface(stream).on('line', (line) => this.options.log(`[${instance.name}] ${line}`));
    }
    return instance;
  }
}
