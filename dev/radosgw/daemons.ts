import { type ChildProcess, spawn } from 'node:child_process';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { findProgram } from '../packages.js';

/** Processes that end together: when they are told to, or when this process is gone, however it went. */
export interface Daemons {
  /** Starts a program that stays in the foreground; what it prints goes to `{folder}/{binary}.out`. */
  start(binary: string, args: readonly string[]): Promise<void>;
  /** Name of a program that has ended although nobody stopped it, or null. */
  ended(): string | null;
  /** Kills them, the last started first, and waits until they are gone. */
  stop(): Promise<void>;
}

/**
 * A shell waits at the other end of a pipe and reads process ids. The kernel closes the pipe when we die, by SIGKILL
 * too; then it kills the processes and removes the folder.
 */
const WATCH = 'while read -r pid; do pids="$pids $pid"; done; kill -9 $pids; rm -rf -- "$1"';

/** `environment` is that of the programs; `folder` is removed when this process dies before `stop`. */
export function daemonsIn(folder: string, environment: NodeJS.ProcessEnv): Daemons {
  const children: { readonly binary: string; readonly child: ChildProcess }[] = [];
  // Sessions of their own: a Ctrl-C at the terminal is for us to handle, not for them.
  const watcher = spawn('sh', ['-c', WATCH, 'sh', folder], { stdio: ['pipe', 'ignore', 'ignore'], detached: true });
  watcher.stdin.on('error', () => undefined);
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
        // A program that cannot be started shows as one that has ended.
        child.on('error', () => undefined);
        if (child.pid !== undefined) watcher.stdin.write(`${child.pid}\n`);
        children.push({ binary, child });
      } finally {
        await output.close();
      }
    },
    ended: () => children.find(({ child }) => !runs(child))?.binary ?? null,
    async stop() {
      for (const { child } of children.splice(0).reverse()) await kill(child);
      await kill(watcher);
    },
  };
}

function runs(child: ChildProcess): boolean {
  return child.pid !== undefined && child.exitCode === null && child.signalCode === null;
}

async function kill(child: ChildProcess): Promise<void> {
  if (!runs(child)) return;
  await new Promise<void>((resolve) => {
    child.once('exit', () => resolve());
    child.kill('SIGKILL');
  });
}
