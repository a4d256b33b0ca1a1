import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import fc from 'fast-check';
import { presentEngines, engines, type TestEngine } from '../support/engines.js';
import { startHuntDatabase, type HuntDatabase } from './servers.js';
import { sequences, type Sequence, type Step } from './steps.js';
import { Lie } from './claims.js';
import { walk } from './walk.js';
import { realProduct } from './product.js';
import { newWorld, type Keys } from './world.js';

const USAGE =
  'npm run test:hunt -- [--minutes N] [--seed N] [--nasty 0..3] [--without KIND,KIND] [--replay JSON|FILE] [--keep-going]';
const SHRINK_MS = 180_000;

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: process.env['HUNT_MINUTES'] ?? '2' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    nasty: { type: 'string', default: '3' },
    without: { type: 'string', default: '' },
    replay: { type: 'string' },
    'keep-going': { type: 'boolean', default: false },
    shrink: { type: 'string', default: String(SHRINK_MS / 1000) },
    help: { type: 'boolean', default: false },
  },
});

const print = (line: string): void => void process.stdout.write(`${line}\n`);

const home = mkdtempSync(join(tmpdir(), 'hunt-'));

/** Servers are kept from one sequence to the next. */
const servers = new Map<string, HuntDatabase>();

async function server(name: string, options: Parameters<typeof startHuntDatabase>[0]): Promise<HuntDatabase> {
  const found = servers.get(name) ?? (await startHuntDatabase(options));
  servers.set(name, found);
  await found.reset();
  return found;
}

const fixtureKeys = JSON.parse(
  readFileSync(join(process.cwd(), 'tests/fixtures/snapshots-2026-11-24/keys.json'), 'utf8'),
) as {
  signingKey: string;
  ageIdentity: string;
  ageRecipient: string;
};
const KEYS: Keys = {
  signingKey: fixtureKeys.signingKey,
  identity: fixtureKeys.ageIdentity,
  recipient: fixtureKeys.ageRecipient,
};
const tally = {
  sequences: 0,
  steps: 0,
  byKind: new Map<string, number>(),
  ended: new Map<string, number>(),
  with: new Map<string, number>(),
};

/** Runs a sequence in a separate world; the lie that it found, or null. */
async function hunt(
  { setting, steps }: Sequence,
  present: readonly TestEngine[],
  counting: boolean,
): Promise<{ lie: Lie; at: number } | null> {
  const engine = present[setting.engine % present.length] as TestEngine;
  const folder = join(home, 'stores');
  const main = await server(`${engine.name} ${setting.limit}`, {
    program: engine.program,
    requestLimitBytes: setting.limit,
  });
  const scratch = await server(`${engine.name} scratch`, { program: engine.program });
  const other = await server('other', { program: 'redis-server', host: 'localhost' });
  await other
    .redis()
    .mset(Object.fromEntries(Array.from({ length: 40 }, (_, n) => [`staging:${n}`, `of staging ${n}`])));
  const standby = await server('standby', { program: 'redis-server' });
  const world = newWorld({ setting, product: realProduct, main, other, scratch, standby, keys: KEYS }, folder);
  if (counting) world.came = (how) => void tally.ended.set(how, (tally.ended.get(how) ?? 0) + 1);
  let at = 0;
  try {
    for (const step of [...steps, { do: 'audit' } as Step]) {
      if (counting) count(step);
      if (process.env['HUNT_VERBOSE'] === '1') print(`  ${at} ${JSON.stringify(step)}`);
      await walk(world, step);
      at++;
    }
    return null;
  } catch (error) {
    if (error instanceof Lie) return { lie: error, at };
    const words = error instanceof Error ? (error.stack ?? error.message) : String(error);
    return { lie: new Lie('the hunt itself does not fail', words, null), at };
  } finally {
    for (const each of [main, other, scratch, standby]) each.onRequest(null);
    rmSync(folder, { recursive: true, force: true });
  }
}

function count(step: Step): void {
  tally.steps++;
  const words = ['meddle', 'skewSeconds', 'queue', 'target', 'replica', 'byTime', 'rehearsed'];
  const facts = step as unknown as Record<string, unknown>;
  const kind = kindOf(step);
  for (const word of words.filter((each) => facts[each] !== undefined && facts[each] !== false))
    tally.with.set(word, (tally.with.get(word) ?? 0) + 1);
  tally.byKind.set(kind, (tally.byKind.get(kind) ?? 0) + 1);
}

/** `backup`, `kill restore`, `put`, ... */
function kindOf(step: Step): string {
  if (step.do === 'kill') return `kill ${step.run}`;
  return step.do === 'command' ? step.run : step.do;
}

/** The shortest sequence found, in the time there is, that ends in the same lie. */
async function shrink(sequence: Sequence, claim: string, present: readonly TestEngine[]): Promise<Sequence> {
  const until = Date.now() + Number(values.shrink) * 1000;
  let best = sequence;
  for (let size = Math.ceil(best.steps.length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
    for (let start = 0; start < best.steps.length && Date.now() < until;) {
      const fewer = { ...best, steps: [...best.steps.slice(0, start), ...best.steps.slice(start + size)] };
      const found = await hunt(fewer, present, false);
      if (found?.lie.claim === claim) best = { ...fewer, steps: fewer.steps.slice(0, found.at + 1) };
      else start += size;
    }
  }
  return best;
}

async function report(
  sequence: Sequence,
  found: { lie: Lie; at: number },
  present: readonly TestEngine[],
  seed: number,
): Promise<void> {
  const cut = { ...sequence, steps: sequence.steps.slice(0, found.at + 1) };
  const least = await shrink(cut, found.lie.claim, present);
  const again = (await hunt(least, present, false)) ?? found;
  print(`\nFOUND (seed ${seed}): ${again.lie.claim}\n  ${again.lie.fact}`);
  for (const step of least.steps) print(`    ${JSON.stringify(step)}`);
  if (again.lie.outcome !== null) {
    print(`  last command: ${again.lie.outcome.args.join(' ')} -> exit ${again.lie.outcome.code}`);
    print(
      again.lie.outcome.text
        .split('\n')
        .slice(-25)
        .map((line) => `    | ${line}`)
        .join('\n'),
    );
  }
  print(`  replay: npm run test:hunt -- --replay '${JSON.stringify(least).replaceAll("'", "'\\''")}'\n`);
}

function words(counts: ReadonlyMap<string, number>): string {
  const sorted = [...counts].sort(([, a], [, b]) => b - a);
  return sorted.map(([kind, times]) => `${kind} ${times}`).join(', ');
}

function figures(started: number, finds: number): string {
  const minutes = ((Date.now() - started) / 60_000).toFixed(1);
  return `${tally.sequences} sequences, ${tally.steps} steps in ${minutes} minutes, ${finds} finds\n  ${words(tally.byKind)}\n  of these with ${words(tally.with)}`;
}

async function main(): Promise<number> {
  if (values.help) {
    print(USAGE);
    return 0;
  }
  for (const engine of await engines())
    if ('missing' in engine) print(`not tested on ${engine.name}: ${engine.missing}`);
  const present = await presentEngines();
  if (process.env['CI'] === 'true' && present.length < 3) return 1;
  if (values.replay !== undefined) {
    const text = values.replay.startsWith('{') ? values.replay : readFileSync(values.replay, 'utf8');
    const sequence = JSON.parse(text) as Sequence;
    const found = await hunt(sequence, present, true);
    if (found === null) print('it found nothing this time');
    else
      print(
        `FOUND: ${found.lie.claim}\n  ${found.lie.fact}\n${found.lie.outcome?.args.join(' ') ?? ''}\n${found.lie.outcome?.text ?? ''}`,
      );
    return found === null ? 0 : 1;
  }
  const [started, first] = [Date.now(), Number(values.seed)];
  const end = started + Number(values.minutes) * 60_000;
  const arbitrary = sequences(Number(values.nasty));
  const left = new Set(values.without.split(','));
  let finds = 0;
  for (let seed = first; Date.now() < end && (finds === 0 || values['keep-going']); seed++) {
    const [drawn] = fc.sample(arbitrary, { seed, numRuns: 1 });
    if (drawn === undefined) break;
    const sequence = { ...drawn, steps: drawn.steps.filter((step) => !left.has(kindOf(step))) };
    const found = await hunt(sequence, present, true);
    tally.sequences++;
    if (found !== null) {
      finds++;
      await report(sequence, found, present, seed);
    }
    if (tally.sequences % 25 === 0) print(figures(started, finds));
  }
  print(`seeds from ${first}: ${figures(started, finds)}`);
  print(`  how commands ended: ${words(tally.ended)}`);
  return finds === 0 ? 0 : 1;
}

/** Ends the servers and removes what there is of a sequence. */
async function leave(code: number): Promise<never> {
  for (const each of servers.values()) await each.stop().catch(() => undefined);
  rmSync(home, { recursive: true, force: true });
  process.exit(code);
}

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => void leave(130));
let code = 1;
try {
  code = await main();
} finally {
  await leave(code);
}
