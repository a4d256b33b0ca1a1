import { parseArgs } from 'node:util';
import { report } from './report.js';
import { benchLimiter, reportLimiter } from './limiter.js';
import { reportReindex } from './reindex-report.js';
import { benchReindex } from './reindex.js';
import { reportRestore } from './restore-report.js';
import { benchRestore } from './restore.js';
import { benchSnapshot } from './snapshot.js';

const USAGE = `usage: npm run bench -- snapshot|restore|reindex|limiter [options]
  --projects N --items N   Soulcaster-shaped data: projects, and feedback items of each (default 10 and 1500)
  --keys N                 this many keys of all types and sizes instead
  --rounds N               how often each measurement is repeated; medians are told (default 3)
  --latency MS             time that each request takes on the way to the database, besides (default 0)
  --delays MS,MS           reindex: what each call of the embedder takes (default 200,1000)
  --rate N                 limiter: commands a second that the database runs (default 2000; Upstash: 10000)
  --quick                  little data and one round: to see that it runs
  --profile                also name the functions in which it spends its time
  --json                   everything measured, as JSON on stdout
`;

const OPTIONS = /** @type {const} */ ({
  projects: { type: 'string' },
  items: { type: 'string' },
  keys: { type: 'string' },
  rounds: { type: 'string' },
  latency: { type: 'string' },
  delays: { type: 'string' },
  rate: { type: 'string' },
  quick: { type: 'boolean', default: false },
  profile: { type: 'boolean', default: false },
  json: { type: 'boolean', default: false },
});

/** @type {ReadonlyMap<string, (options: import('./snapshot.js').BenchOptions, announce: (line: string) => void) => Promise<{measured: object, text: string}>>} */
const BENCHMARKS = new Map([
  [
    'snapshot',
    async (options, announce) => {
      const measured = await benchSnapshot(options, announce);
      return { measured, text: report(measured) };
    },
  ],
  [
    'restore',
    async (options, announce) => {
      const measured = await benchRestore(options, announce);
      return { measured, text: reportRestore(measured) };
    },
  ],
  [
    'reindex',
    async (options, announce) => {
      const measured = await benchReindex(options.reindex, announce);
      return { measured, text: reportReindex(measured) };
    },
  ],
  [
    'limiter',
    async (options, announce) => {
      const measured = await benchLimiter(options.limiter, announce);
      return { measured, text: reportLimiter(measured) };
    },
  ],
]);

/** Thrown for a command line that makes no sense. */
class UsageError extends Error {}

/** @returns {{name: string, json: boolean, bench: import('./snapshot.js').BenchOptions}} */
function optionsOf(/** @type {readonly string[]} */ args) {
  const { values, positionals } = parseArgs({ args: [...args], options: OPTIONS, allowPositionals: true });
  const [name = ''] = positionals;
  if (positionals.length !== 1 || !BENCHMARKS.has(name))
    throw new UsageError('name a benchmark: snapshot, restore, reindex or limiter');
  const { quick } = values;
  const data =
    values.keys === undefined
      ? {
          projects: number('projects', values.projects, quick ? 2 : 10),
          items: number('items', values.items, quick ? 200 : 1500),
        }
      : { mixed: number('keys', values.keys, 0) };
  return {
    name,
    json: values.json,
    bench: {
      data,
      rounds: Math.max(1, number('rounds', values.rounds, quick ? 1 : 3)),
      latencyMs: number('latency', values.latency, 0),
      profile: values.profile,
      limiter: {
        rate: number('rate', values.rate, 2000),
        projects: number('projects', values.projects, quick ? 2 : 12),
        items: number('items', values.items, quick ? 200 : 1500),
        small: number('keys', values.keys, quick ? 4000 : 40_000),
      },
      reindex: {
        items: number('items', values.items, quick ? 2000 : 100_000),
        delays: (values.delays ?? (quick ? '200' : '200,1000')).split(',').map((text) => number('delays', text, 0)),
      },
    },
  };
}

function number(/** @type {string} */ name, /** @type {string | undefined} */ text, /** @type {number} */ fallback) {
  if (text === undefined) return fallback;
  if (/^\d{1,8}$/.test(text)) return Number(text);
  throw new UsageError(`--${name} takes a whole number`);
}

try {
  const { name, json, bench } = optionsOf(process.argv.slice(2));
  const run = BENCHMARKS.get(name);
  const done = await run?.(bench, (line) => process.stderr.write(`${line}\n`));
  if (done !== undefined) process.stdout.write(json ? `${JSON.stringify(done.measured, null, 2)}\n` : done.text);
} catch (error) {
  const isUsage = error instanceof UsageError || String(error?.code).startsWith('ERR_PARSE_ARGS');
  process.stderr.write(isUsage ? `${error.message}\n${USAGE}` : `${error.stack}\n`);
  process.exitCode = isUsage ? 2 : 1;
}
