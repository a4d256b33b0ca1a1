import { setTimeout as delay } from 'node:timers/promises';
import type { FaultAction } from '../../lib/local/fault-proxy.js';
import { checkRestore } from './claims-restore.js';
import {
  checkDrill,
  checkPruned,
  checkVerify,
  checkWords,
  claimed,
  eligible,
  learn,
  Lie,
  unchanged,
  type Watched,
} from './claims.js';
import { change, nameOf } from './data.js';
import { inOwnProcess, inProcess, type Outcome } from './product.js';
import type { Command, DataStep, Meddle, Step } from './steps.js';
import { same, type RestoreStep } from './truth.js';
import { dump, leftBehind, onDisk, remember, tamper, type Known, type World } from './world.js';

const HANG_MS = 90_000;
const HOUR_MS = 3_600_000;

export async function walk(world: World, step: Step): Promise<void> {
  if (step.do === 'audit') return audit(world);
  if (step.do === 'tamper') return void tamper(world, step.kind, step.pick, step.how);
  if (step.do === 'memory') {
    const used = /used_memory:(\d+)/.exec(String(await world.main.redis().call('INFO', 'memory')))?.[1] ?? '0';
    await world.main
      .redis()
      .call('CONFIG', 'SET', 'maxmemory', step.full ? String(Math.max(1, Number(used) - 1000)) : '0');
    world.hindered = step.full;
    return;
  }
  if (step.do === 'refuse') {
    await world.main.redis().call('ACL', 'SETUSER', 'default', '+@all');
    if (step.command !== null) await world.main.redis().call('ACL', 'SETUSER', 'default', `-${step.command}`);
    world.hindered = step.command !== null;
    return;
  }
  if (step.do !== 'command' && step.do !== 'kill') {
    world.lastUndo = null;
    return change(world.main, step);
  }
  remember(world);
  await command(world, step);
}

async function command(world: World, step: Extract<Step, { do: 'command' | 'kill' }>): Promise<void> {
  const args = argumentsOf(world, step);
  if (args === null) return;
  const leftBefore = await leftBehind(world.main);
  const watched = await watch(world, step, args);
  const { outcome } = watched;
  if (outcome.code !== null) checkWords(outcome);
  await learn(world, watched, step);
  if (step.run === 'restore' || step.run === 'undo' || step.run === 'dry-run') checkRestore(world, step, watched);
  else unchanged(watched, 'a command that does not restore');
  if (step.run === 'backup' && outcome.code === 0) claimed(world, outcome, 'backup');
  if (step.run === 'verify') await checkVerify(world, outcome, args[1] ?? '');
  if (step.run === 'drill' && outcome.code === 0) await checkDrill(world, outcome);
  if (step.run === 'prune') checkPruned(world, outcome);
  if (step.run === 'accept' && outcome.code === 0) world.known.get(args[2] ?? '')?.doubts.splice(0);
  const mayLeave = outcome.code === null || watched.faulty || world.hindered || step.do === 'kill';
  if (!mayLeave) {
    const left = (await leftBehind(world.main)).filter((name) => !leftBefore.includes(name));
    if (left.length > 0) throw new Lie('an ended run leaves nothing behind', left.join(', '), outcome);
  }
}

/** The command line of a step; null where there is nothing that it could be about. */
function argumentsOf(world: World, step: Command): string[] | null {
  const sorted = [...world.known.values()].filter(({ id }) => onDisk(world, id)).sort((a, b) => (a.id < b.id ? -1 : 1));
  const pick = (of: number): Known | undefined => sorted[(of - 1 + sorted.length) % Math.max(1, sorted.length)];
  switch (step.run) {
    case 'backup':
    case 'backup-other':
      return ['backup', '--local'];
    case 'drill':
      return ['drill', '--local'];
    case 'prune':
      return ['prune'];
    case 'verify': {
      const known = pick(step.of);
      return known === undefined ? null : ['verify', known.id, '--local'];
    }
    case 'accept': {
      const known = pick(step.of);
      return known === undefined || !world.hasAccept
        ? null
        : ['snapshots', 'accept', known.id, '--reason', 'the hunt says so'];
    }
    case 'undo':
      return world.lastUndo === null
        ? null
        : [...world.lastUndo.args, '--yes', '--local', '--no-reindex', '--no-settle'];
    case 'restore':
    case 'dry-run': {
      const known = step.of === 0 ? undefined : pick(step.of);
      if (step.of !== 0 && known === undefined) return null;
      return [
        ...['restore', known?.id ?? 'latest', '--mode', step.mode, '--ttl', step.ttl, '--local', '--no-reindex'],
        ...(step.scope === 'all' ? [] : ['--project', step.scope]),
        ...(step.run === 'dry-run' ? ['--dry-run', '--no-settle'] : ['--yes', ...(step.safety ? [] : ['--no-safety'])]),
        ...(step.run === 'restore' && !step.settle ? ['--no-settle'] : []),
        ...(known?.complete === false && step.mode !== 'replace' ? ['--allow-incomplete'] : []),
        ...(known?.of === 'other' && world.hasFromSource ? ['--from-source'] : []),
      ];
    }
  }
}

async function watch(world: World, step: Extract<Step, { do: 'command' | 'kill' }>, args: string[]): Promise<Watched> {
  const database = step.run === 'backup-other' ? world.other : world.main;
  const env = step.run === 'backup-other' ? world.otherEnv : world.env;
  const touched = new Set<string>();
  const state = { meddled: false, faulty: false };
  const before = await dump(world.main);
  let outcome: Outcome;
  if (step.do === 'kill') {
    let [seen, kill]: [number, () => void] = [0, () => undefined];
    database.onRequest(() => {
      if (++seen !== step.at) return Promise.resolve('pass');
      kill();
      // The request of a dead process: whether it still arrives is the network's affair.
      return Promise.resolve(step.at % 2 === 0 ? 'pass' : 'reset');
    });
    outcome = await limited(
      inOwnProcess(args, env, (how) => void (kill = how)),
      args,
    );
    // What was on its way when the process died still arrives.
    await delay(60);
  } else {
    database.onRequest(step.meddle === undefined ? null : meddling(world, step.meddle, touched, state));
    outcome = await limited(inProcess(args, env, step.skewSeconds ?? 0), args);
  }
  database.onRequest(null);
  const after = await dump(world.main);
  return { outcome, before, after, touched, ...state };
}

async function limited(work: Promise<Outcome>, args: readonly string[]): Promise<Outcome> {
  const over = new AbortController();
  const late = delay(HANG_MS, null, { signal: over.signal, ref: true }).catch(() => null);
  const first = await Promise.race([work, late]);
  over.abort();
  if (first === null)
    throw new Lie('a command comes to its end', `${args.join(' ')} still runs after ${HANG_MS / 1000} s`, null);
  return first;
}

function meddling(world: World, what: Meddle, touched: Set<string>, state: { meddled: boolean; faulty: boolean }) {
  let seen = 0;
  return async (): Promise<FaultAction> => {
    seen++;
    if ('fault' in what) {
      if (seen < what.at || seen >= what.at + what.times) return 'pass';
      state.faulty = true;
      if (what.fault === 'error-503') return { status: 503, body: '{"error":"ERR unavailable"}' };
      return what.fault === 'slow' ? { delayMs: 150 } : what.fault;
    }
    if (seen !== what.at) return 'pass';
    state.meddled = true;
    if ('second' in what) {
      const args =
        what.second === 'backup' ? ['backup', '--local'] : ['restore', 'latest', '--yes', '--local', '--no-reindex'];
      const second = await inProcess(args, world.env);
      checkWords(second);
      if (what.second === 'restore' && second.code === 0)
        for (const key of (await dump(world.main)).keys()) touched.add(key);
      return 'pass';
    }
    const before = await dump(world.main);
    await change(world.main, what.data);
    const after = await dump(world.main);
    for (const key of new Set([...before.keys(), ...after.keys()])) {
      if (!same(before.get(key), after.get(key))) touched.add(key);
    }
    for (const key of named(what.data)) touched.add(key);
    return 'pass';
  };
}

function named(step: DataStep): string[] {
  const keys = [...('key' in step ? [step.key] : []), ...('to' in step ? [step.to] : [])];
  return keys.map((key) => nameOf(key).toString('latin1'));
}

/** Asks what the product says of the whole, and holds it against what is so. */
async function audit(world: World): Promise<void> {
  const before = await dump(world.main);
  const dry: RestoreStep = { run: 'dry-run', of: 0, mode: 'replace', scope: 'all', ttl: 'keep' };
  const args = argumentsOf(world, dry) ?? [];
  const outcome = await limited(inProcess(args, world.env), args);
  checkWords(outcome);
  const watched = {
    outcome,
    before,
    after: await dump(world.main),
    touched: new Set<string>(),
    meddled: false,
    faulty: false,
  };
  checkRestore(world, dry, watched);
  const code = (outcome.json?.['error'] as { code?: string } | undefined)?.code ?? '';
  if (
    outcome.code !== 0 &&
    eligible(world).some(({ touched }) => !touched) &&
    !world.everTampered &&
    !world.skewed &&
    !world.hindered &&
    !['locked', 'busy', 'not-restorable'].includes(code)
  ) {
    throw new Lie('a trusted snapshot is found', JSON.stringify(outcome.json?.['error']).slice(0, 300), outcome);
  }
  const status = await limited(inProcess(['status'], world.env), ['status']);
  if (/Unexpected |defect in soulcaster/.test(status.text))
    throw new Lie('no command ends with a defect', status.text.slice(-500), status);
  if (status.json?.['state'] === 'ok') {
    const good = eligible(world).filter(({ takenAt }) => takenAt > Date.now() - 24 * HOUR_MS);
    if (good.length === 0)
      throw new Lie('the state is ok', 'there is no trusted snapshot of the last 24 hours', status);
    if (world.unfinished.size > 0)
      throw new Lie('the state is ok', 'a restore of the database is not finished', status);
  }
  const listed = await limited(inProcess(['list'], world.env), ['list']);
  checkWords(listed);
}
