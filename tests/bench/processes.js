import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { environment } from '../../dist/lib/app/config.js';

/** Path of a program of the benchmarks. */
export function program(/** @type {string} */ name) {
  return fileURLToPath(new URL(`./programs/${name}.js`, import.meta.url));
}

/** Path of a built module. */
export function built(/** @type {string} */ name) {
  return fileURLToPath(new URL(`../../dist/${name}.js`, import.meta.url));
}

/** The options of node that the command line starts itself with: what is measured here is to be like it. */
export async function productFlags() {
  const binary = fileURLToPath(new URL('../../bin/soulcaster-backup.js', import.meta.url));
  const [shebang = ''] = (await readFile(binary, 'utf8')).split('\n');
  const flags = shebang.split(' ').filter((word) => /^--[a-z]/.test(word));
  if (flags.length === 0) throw new Error(`no options in the first line of ${binary}`);
  return flags;
}

/**
 * Runs a program to its end in a separate process and returns the JSON that it prints. Throws when it fails, with
 * what it said on stderr.
 * @param {readonly string[]} args of node
 * @param {Readonly<Record<string, string>>} [variables] over our own
 * @returns {Promise<any>}
 */
export async function runNode(args, variables = {}) {
  const { code, stdout, stderr } = await runProgram(process.execPath, args, variables);
  if (code !== 0) throw new Error(`node ${args.join(' ')} ended with ${code}:\n${stderr}`);
  return JSON.parse(stdout);
}

/**
 * @param {string} path
 * @param {readonly string[]} args
 * @param {Readonly<Record<string, string>>} [variables]
 */
export async function runProgram(path, args, variables = {}) {
  const child = spawn(path, args, { env: { ...environment(), ...variables }, stdio: ['ignore', 'pipe', 'pipe'] });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text) => (stderr += text));
  const [code] = await once(child, 'close');
  return { code, stdout, stderr };
}

/**
 * Starts a server in a separate process; resolves when it has printed a line of JSON. `stop` returns the last line of JSON.
 * @param {readonly string[]} args of node
 * @returns {Promise<{ready: any, stop(): Promise<any>}>}
 */
export async function startNode(args) {
  const child = spawn(process.execPath, args, { env: environment(), stdio: ['ignore', 'pipe', 'inherit'] });
  const onExit = () => child.kill('SIGKILL');
  process.once('exit', onExit);
  const lines = createInterface({ input: child.stdout });
  const [line] = await Promise.race([once(lines, 'line'), once(child, 'exit').then(() => [null])]);
  if (line === null) throw new Error(`node ${args.join(' ')} ended before it was ready`);
  let last = line;
  lines.on('line', (next) => (last = next));
  return {
    ready: JSON.parse(line),
    async stop() {
      const gone = once(child, 'close');
      child.kill('SIGTERM');
      await gone;
      process.removeListener('exit', onExit);
      return JSON.parse(last);
    },
  };
}
