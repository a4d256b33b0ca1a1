import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { execa } from 'execa';
import { startStack, type Stack, type StackOptions } from '../../dev/stack/index.js';
import { loadWorkspace } from '../../dev/data/index.js';
import { runHere, type Ended, type Variables } from '../support/command-line.js';

export type { Ended, Variables };

export const ROOT = process.cwd();
const BINARY = join(ROOT, 'bin/soulcaster-backup.js');
const SECRET_NAME = /TOKEN|SECRET|KEY|IDENTITY/;

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
  return withoutSecrets({ code: exitCode ?? -1, stdout, stderr }, env);
}

/** The result. Fails when one of these secrets is anywhere in it. */
export function withoutSecrets(result: Ended, env: Variables): Ended {
  const secrets = Object.entries(env).filter(([name, value]) => SECRET_NAME.test(name) && value.length >= 6);
  const leaked = secrets.filter(([, value]) => (result.stdout + result.stderr).includes(value)).map(([name]) => name);
  if (leaked.length > 0) throw new Error(`The output holds the value of ${leaked.join(', ')}`);
  return result;
}

/** Runs the command line to its end, within this process. Fails when it shows a secret that it was given. */
export async function cli(args: readonly string[], env: Variables = {}, input?: string): Promise<Ended> {
  return withoutSecrets(await runHere(args, env, input), env);
}

/** Runs the real program to its end. */
export async function cliProcess(args: readonly string[], env: Variables = {}, cwd = ROOT): Promise<Ended> {
  return ended(spawnCli(args, env, cwd), env);
}

/** Runs the command line with --json and parses what it printed: exactly one document. */
export async function cliJson(
  args: readonly string[],
  env: Variables,
  run: typeof cli | typeof cliProcess = cli,
): Promise<Ended & { json: JsonDocument }> {
  const result = await run([...args, '--json'], env);
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
