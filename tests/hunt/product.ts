import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Context } from '../../lib/cli/context.js';
import { reportError } from '../../lib/cli/output/report-error.js';
import { buildProgram } from '../../lib/cli/program.js';
import { Lie } from './claims.js';
import { skew } from './clock.js';
import { overQueue, type QueuedWork } from './queue.js';

export type Variables = Readonly<Record<string, string>>;

/** What the hunt drives. A test puts a product in its place that lies. */
export interface Product {
  /** Within this process, with a clock that is ahead or behind. */
  run(args: readonly string[], env: Variables, skewSeconds?: number): Promise<Outcome>;
  /** In a separate process that may be killed. */
  spawn(args: readonly string[], env: Variables, killer: (kill: () => void) => void): Promise<Outcome>;
  /** A backup or a restore over a queue; `seed` decides in which order its messages come. */
  queued(work: QueuedWork, env: Variables, seed: number): Promise<Outcome>;
}

/** What a command printed and how it ended; `code` is null for a process that was killed. */
export interface Outcome {
  readonly args: readonly string[];
  readonly code: number | null;
  /** The one document of --json; null when there is none. */
  readonly json: Record<string, unknown> | null;
  readonly text: string;
}

/** Runs a command of the product in this process, as bin/soulcaster-backup.js does, with a clock that is ahead or behind. */
async function inProcess(args: readonly string[], env: Variables, skewSeconds = 0): Promise<Outcome> {
  let out = '';
  let text = '';
  const context: Context = {
    env,
    json: true,
    onTerminal: false,
    nameInHints: () => undefined,
    interrupt: new AbortController().signal,
    print: (line) => void (text += `${line}\n`),
    document: (value) => void (out += JSON.stringify(value)),
    note: (line) => void (text += `${line}\n`),
    log: {
      info: () => undefined,
      warn: (event, fields) => void (text += `warning: ${event} ${JSON.stringify(fields ?? {})}\n`),
      error: (event, fields) => void (text += `error: ${event} ${JSON.stringify(fields ?? {})}\n`),
    },
  };
  let code = 0;
  const program = buildProgram(async (work) => void (code = await work(context)));
  await skew.run(skewSeconds * 1000, async () => {
    try {
      await program.parseAsync([...args, '--json'], { from: 'user' });
    } catch (error) {
      const sink = {
        env,
        envFile: undefined,
        json: true,
        out: (line: string) => void (out += line),
        note: (line: string) => void (text += `${line}\n`),
      };
      code = reportError(error, sink);
    }
  });
  return { args, code, json: parsed(out), text };
}

/** The real program in a separate process. `kill` is called with what ends it as kill -9 does. */
async function inOwnProcess(
  args: readonly string[],
  env: Variables,
  killer: (kill: () => void) => void,
): Promise<Outcome> {
  const child = spawn(process.execPath, [join(process.cwd(), 'bin/soulcaster-backup.js'), ...args, '--json'], {
    env: { PATH: process.env['PATH'] ?? '', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let [out, text] = ['', ''];
  child.stdout.on('data', (chunk: Buffer) => void (out += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => void (text += chunk.toString()));
  killer(() => void child.kill('SIGKILL'));
  const code = await new Promise<number | null>((resolve) => child.once('close', (status) => resolve(status)));
  return { args, code, json: parsed(out), text };
}

function parsed(out: string): Record<string, unknown> | null {
  try {
    return JSON.parse(out) as Record<string, unknown>;
  } catch {
    return null;
  }
}

export const realProduct: Product = { run: inProcess, spawn: inOwnProcess, queued: overQueue };

const HANG_MS = 600_000;

/** A command that does not come to its end is a lie as well. */
export async function limited(work: Promise<Outcome>, args: readonly string[]): Promise<Outcome> {
  const over = new AbortController();
  const late = delay(HANG_MS, null, { signal: over.signal, ref: true }).catch(() => null);
  const first = await Promise.race([work, late]);
  over.abort();
  if (first === null)
    throw new Lie('a command reaches its end', `${args.join(' ')} still runs after ${HANG_MS / 1000} s`, null);
  return first;
}
