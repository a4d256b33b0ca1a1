import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { execa } from 'execa';
import { startStack, type Stack, type StackOptions } from '../../lib/local/stack/index.js';
import { loadWorkspace } from '../../lib/local/data/index.js';

export const ROOT = process.cwd();
const BINARY = join(ROOT, 'bin/soulcaster-backup.js');
const SECRET_NAME = /TOKEN|SECRET|KEY|IDENTITY/;

export type Variables = Readonly<Record<string, string>>;

export interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Starts the real program, with exactly these variables. */
export function spawnCli(args: readonly string[], env: Variables, cwd = ROOT) {
  return execa(BINARY, [...args], {
    cwd,
    env: { PATH: process.env['PATH'] ?? '', ...env },
    extendEnv: false,
    reject: false,
    cleanup: true,
  });
}

/** Waits until `condition` holds; throws when the program ends before. */
export async function until(child: ReturnType<typeof spawnCli>, condition: () => boolean): Promise<void> {
  while (!condition()) {
    if (child.exitCode !== null) throw new Error('The program ended too early');
    await delay(10);
  }
}

/** Waits for the program's end. Fails when a secret that it was given is anywhere in what it wrote. */
export async function ended(child: ReturnType<typeof spawnCli>, env: Variables): Promise<Ended> {
  const { exitCode, stdout, stderr } = await child;
  const result = { code: exitCode ?? -1, stdout, stderr };
  const secrets = Object.entries(env).filter(([name, value]) => SECRET_NAME.test(name) && value.length >= 6);
  const leaked = secrets.filter(([, value]) => (result.stdout + result.stderr).includes(value)).map(([name]) => name);
  if (leaked.length > 0) throw new Error(`The output holds the value of ${leaked.join(', ')}`);
  return result;
}

/** Runs the program to its end. */
export async function cli(args: readonly string[], env: Variables = {}, cwd = ROOT): Promise<Ended> {
  return ended(spawnCli(args, env, cwd), env);
}

/** Runs the program with --json and parses what it printed: exactly one document. */
export async function cliJson(args: readonly string[], env: Variables): Promise<Ended & { json: JsonDocument }> {
  const result = await cli([...args, '--json'], env);
  return { ...result, json: JSON.parse(result.stdout) as JsonDocument };
}

export type JsonDocument = Record<string, unknown> & {
  readonly error?: { readonly code: string; readonly message: string; readonly hint: string } | null;
};

export interface CliStack extends Stack {
  /** The stack's variables without its queue, and with a store of one's own; `like`: that holds what another does. */
  alone(like?: Variables): Promise<Record<string, string>>;
}

/** A stack with a little data, quiet, and with as many fresh stores as are asked for. */
export async function openStack(options: Partial<StackOptions> = {}): Promise<CliStack> {
  const stack = await startStack({ root: ROOT, functions: { maxInstances: 2, onLog: () => undefined }, ...options });
  const folders: string[] = [];
  await loadWorkspace({ redisUrl: stack.urls.redis, projects: 1, items: 60, seed: 3 });
  return {
    ...stack,
    async alone(like) {
      const folder = await mkdtemp(join(tmpdir(), 'cli-store-'));
      folders.push(folder);
      if (like !== undefined) await cp(fileURLToPath(like['BACKUP_STORE'] ?? ''), folder, { recursive: true });
      return { ...stack.env, BACKUP_STORE: pathToFileURL(folder).href, QSTASH_TOKEN: '' };
    },
    async stop() {
      await stack.stop();
      for (const folder of folders) await rm(folder, { recursive: true, force: true });
    },
  };
}
