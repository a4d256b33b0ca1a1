import { parseArgs } from 'node:util';
import { AppError, exitCodeOf, toAppError } from '../../lib/errors.js';
import { load, type Loaded } from './load.js';
import { writeMixed } from './mixed.js';
import { generateWorkspace } from './workspace.js';

const USAGE = 'main.js --redis URL --projects N --items N --seed S [--mixed N]';

/** Fills a database from the command line and prints the counts as one line of JSON. */
async function main(args: readonly string[]): Promise<void> {
  const { redis, ...wanted } = optionsOf(args);
  const projects = numberOf('projects', wanted.projects);
  const items = numberOf('items', wanted.items);
  const seed = numberOf('seed', wanted.seed);
  const mixed = numberOf('mixed', wanted.mixed);
  const workspace: Loaded = await load(redis, generateWorkspace({ projects, items, seed, legacy: projects > 0 }));
  const others = await load(redis, writeMixed({ keys: mixed, seed }));
  const counts = { keys: workspace.keys + others.keys, workspace, mixed: others };
  process.stdout.write(`${JSON.stringify(counts)}\n`);
}

function optionsOf(args: readonly string[]) {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: {
        redis: { type: 'string' },
        projects: { type: 'string', default: '3' },
        items: { type: 'string', default: '200' },
        seed: { type: 'string', default: '1' },
        mixed: { type: 'string', default: '0' },
      },
    });
    const { redis, ...others } = values;
    if (redis !== undefined) return { ...others, redis };
  } catch (cause) {
    throw new AppError('usage', 'The options cannot be read', { hint: `Usage: ${USAGE}`, cause });
  }
  throw new AppError('usage', '--redis is missing', { hint: `Usage: ${USAGE}` });
}

function numberOf(name: string, text: string): number {
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw new AppError('usage', `--${name} takes a whole number`, { hint: `Usage: ${USAGE}` });
}

try {
  await main(process.argv.slice(2));
} catch (error) {
  const { code, message, hint } = toAppError(error);
  process.stderr.write(`${message}\n${hint}\n`);
  process.exitCode = exitCodeOf(code);
}
