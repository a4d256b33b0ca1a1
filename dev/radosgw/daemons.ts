import { type ChildProcess, spawn } from 'node:child_process';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { findProgram } from '../packages.js';

/** Processes that end together: on `stop`, or when this process ends for any reason. */
export interface Daemons {
  /** Starts a program in the foreground; its output goes to `{folder}/{binary}.out`. */
  start(binary: string, args: readonly string[]): Promise<void>;
  /** Name of a program that has ended unexpectedly, or null. */
  ended(): string | null;
  /** Kills the processes, the last started first, and waits until they have ended. */
  stop(): Promise<void>;
}

/**
 * A shell reads process ids from a pipe. The kernel closes the pipe when this process dies, even by SIGKILL; then the shell
 * kills the processes and removes the folder.
 */
const CLEANUP_SCRIPT = 'while read -r pid; do pids="$pids $pid"; done; kill -9 $pids; rm -rf -- "$1"';

/** `environment` is for the programs; `folder` is removed when this process dies before `stop`. */
export function daemonsIn(folder: string, environment: NodeJS.ProcessEnv): Daemons {
  const children: { readonly binary: string; readonly child: ChildProcess }[] = [];
  // Detached: a Ctrl-C at the terminal must reach only this process.
  const cleaner = spawn('sh', ['-c', CLEANUP_SCRIPT, 'sh', folder], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
  });
  cleaner.stdin.on('error', () => undefined);
  return {
    async start(binary, args) {
      const program = (await findProgram(binary)) ?? binary;
      const output = await open(join(folder, `${binary}.out`), 'w', 0o600);
      try {
        const child = spawn(program, args, {
          stdio: ['ignore', output.fd, output.fd],
          env: environment,
          cwd: folder,
          detached: true,
        });
        // A program that cannot be started counts as ended.
        child.on('error', () => undefined);
        if (child.pid !== undefined) cleaner.stdin.write(`${child.pid}\n`);
        children.push({ binary, child });
      } finally {
        await output.close();
      }
    },
    ended: () => children.find(({ child }) => !isRunning(child))?.binary ?? null,
    async stop() {
      for (const { child } of children.splice(0).reverse()) await kill(child);
      await kill(cleaner);
    },
  };
}

function isRunning(child: ChildProcess): boolean {
  return child.pid !== undefined && child.exitCode === null && child.signalCode === null;
}

async function kill(child: ChildProcess): Promise<void> {
  if (!isRunning(child)) return;
  await new Promise<void>((resolve) => {
    child.once('exit', () => resolve());
    child.kill('SIGKILL');
  });
}
