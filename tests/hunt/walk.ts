import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { FaultAction } from '../../dev/fault-proxy.js';
import { callOf, type Call } from './arguments.js';
import { audit, checkLease } from './audit.js';
import { checkRehearsal, checkRestore, checkUndo } from './claims-restore.js';
import {
  checkDrill,
  checkPruned,
  checkReplica,
  checkVerify,
  checkWords,
  claimed,
  Lie,
  unchanged,
  type Watched,
} from './claims.js';
import { change } from './data.js';
import { learn, sourceOf } from './learn.js';
import { meddling } from './meddle.js';
import { limited, type Outcome } from './product.js';
import type { Step } from './steps.js';
import { remember, tamper } from './tamper.js';
import { dump, eligible, isAdopted, leftBehind, variables, type World } from './world.js';

type CommandStep = Extract<Step, { do: 'command' | 'kill' }>;

export async function walk(world: World, step: Step): Promise<void> {
  switch (step.do) {
    case 'audit':
      return audit(world);
    case 'tamper':
      return void tamper(world, step);
    case 'memory':
      return fill(world, step.full);
    case 'refuse':
      return refuse(world, step.command);
    case 'key':
      // What says that a restore is not finished is not believed without the signature.
      if (step.signed && !world.signed) world.unfinished.clear();
      world.signed = step.signed;
      return;
    case 'command':
    case 'kill':
      remember(world);
      return command(world, step);
    case 'put':
    case 'fill':
    case 'del':
    case 'expire':
    case 'field-expire':
    case 'rename':
    case 'flush':
    case 'thin':
    case 'unsupported':
    case 'project':
    case 'drop-items':
    case 'restart':
      world.lastUndo = null;
      return change(world.main, step);
  }
}

async function fill(world: World, full: boolean): Promise<void> {
  const redis = world.main.redis();
  const used = /used_memory:(\d+)/.exec(String(await redis.call('INFO', 'memory')))?.[1] ?? '0';
  await redis.call('CONFIG', 'SET', 'maxmemory', full ? String(Math.max(1, Number(used) - 1000)) : '0');
  if (full) world.hinders.add('full');
  else world.hinders.delete('full');
}

/** What hinders the database is over after a command. */
async function lift(world: World): Promise<void> {
  if (!world.hindered) return;
  await fill(world, false);
  await refuse(world, null);
}

async function refuse(world: World, name: string | null): Promise<void> {
  await world.main.redis().call('ACL', 'SETUSER', 'default', '+@all');
  if (name !== null) await world.main.redis().call('ACL', 'SETUSER', 'default', `-${name}`);
  if (name !== null) world.hinders.add('refuses');
  else world.hinders.delete('refuses');
}

async function command(world: World, step: CommandStep): Promise<void> {
  const call = callOf(world, step);
  if (call === null) return;
  const wasHindered = world.hindered;
  const rehearsal = await rehearse(world, step, call);
  const leftBefore = await leftBehind(world.main);
  const trustedBefore = eligible(world, call.place);
  const watched = await watch(world, step, call);
  const { outcome } = watched;
  if (outcome.code !== null) checkWords(outcome);
  note(world, outcome);
  await lift(world);
  const facts = step as Record<string, unknown>;
  const how = ['queue', 'target', 'replica', 'byTime'].filter((word) => facts[word] !== undefined);
  world.came(`${[step.do === 'kill' ? 'kill' : '', step.run, ...how].join(' ').trim()}: ${codeOf(outcome)}`);
  await learn(world, watched, call);
  await check(world, step, call, watched);
  world.aheadMs = 0;
  if (watched.meddled) world.lastUndo = null;
  if (step.run === 'prune') checkPruned(world, outcome, trustedBefore, call.place);
  if (rehearsal !== null) checkRehearsal(rehearsal, watched, call.asked?.known ?? null);
  const mayLeave = outcome.code === null || watched.faulty || wasHindered || watched.meddled || step.do === 'kill';
  if (!mayLeave) {
    const left = (await leftBehind(world.main)).filter((name) => !leftBefore.includes(name));
    if (left.length > 0) throw new Lie('an ended run leaves nothing behind', left.join(', '), outcome);
  }
}

function codeOf({ code, json }: Outcome): string {
  const error = json?.['error'] as { code?: string } | null | undefined;
  return code === null ? 'killed' : (error?.code ?? (code === 0 ? 'ok' : String(code)));
}

/** Which run it was, and how the command that was to see it to its end said that it ended. */
function note(world: World, outcome: Outcome): void {
  const { code, json } = outcome;
  const id = json?.['run'] ?? json?.['runId'];
  if (typeof id !== 'string' || json?.['cancelled'] !== undefined) return;
  world.lastRun = id;
  world.ended.set(id, code);
  if (code === 0 && world.cancelled.has(id)) throw new Lie('a run that was cancelled did not succeed', id, outcome);
}

/** What an operator vouched for; a process that was killed, or that broke off, may have come as far. */
function vouch(world: World, step: CommandStep, { args }: Call, { code, json }: Outcome): void {
  const { store } = world.known;
  const mayBe = code === 0 || code === null;
  if (/^(accept|adopt)/.test(step.run)) world.vouched = true;
  if (step.run === 'accept' && mayBe) {
    store.get(args[2] ?? '')?.standing.doubts.splice(0);
    // It ends the state that the snapshot shows.
    if (code === null || ((json?.['ended'] ?? []) as unknown[]).length > 0) world.unfinished.clear();
  }
  if (step.run === 'adopt' && code === 0) world.adopted = !step.withdraw;
  // One that was killed may have come as far as to write it down, or not.
  if (step.run === 'adopt' && code === null) world.adopted = isAdopted(world, sourceOf(world.other.url));
  if (step.run !== 'adopt-unsigned') return;
  // A process that was killed, or that was refused one of them, may have come as far as to write others down.
  const adopted = [...store.keys()].filter((id) =>
    existsSync(join(world.folders.store, `snapshots/${id}/adopted.json`)),
  );
  for (const id of adopted) {
    const known = store.get(id);
    if (known !== undefined) known.standing.adopted = true;
  }
}

async function check(world: World, step: CommandStep, call: Call, watched: Watched): Promise<void> {
  const { outcome } = watched;
  const isDone = outcome.code === 0;
  vouch(world, step, call, outcome);
  if ((step.run === 'restore' || step.run === 'dry-run') && call.asked !== null) {
    checkRestore(world, call.asked, watched);
    return;
  }
  if (step.run === 'undo') {
    checkUndo(world, watched);
    return;
  }
  if (step.run === 'guard' && hasResumed(outcome)) {
    // It may have brought a killed restore to its end, or part of the way.
    world.unfinished.clear();
    [world.brokenOff, world.lastUndo] = [true, null];
    return;
  }
  unchanged(watched, 'a command that does not restore');
  switch (step.run) {
    case 'backup':
      if (isDone) claimed(world, outcome, 'backup');
      if (codeOf(outcome) === 'incomplete' && mustBeWhole(step, watched))
        throw new Lie(
          'nothing but what cannot be saved makes a snapshot incomplete',
          outcome.text.slice(-600),
          outcome,
        );
      return;
    case 'verify':
      return checkVerify(world, outcome, call.args[1] ?? '', call.place);
    case 'drill':
      return isDone ? checkDrill(world, outcome) : undefined;
    case 'replicate':
      return checkReplica(world, outcome);
    case 'cancel':
    case 'unlock':
      if (isDone) checkLease(world, outcome);
      return;
    case 'accept':
    case 'adopt':
    case 'adopt-unsigned':
    case 'backup-other':
    case 'dry-run':
    case 'guard':
    case 'prune':
    case 'restore':
      return;
  }
}

/** Whether the guard worked on a run that had been silent for longer than its lease. */
function hasResumed({ json }: Outcome): boolean {
  const steps = (json?.['steps'] ?? []) as { name: string; summary: Record<string, unknown> }[];
  return steps.some(({ name, summary }) => name === 'resume' && Number(summary['resumed'] ?? 0) > 0);
}

/** Whether nothing happened to the database that a snapshot cannot cope with: writes and a restart of the server are. */
function mustBeWhole(step: CommandStep, { before, after, faulty, hindered }: Watched): boolean {
  const meddle = step.do === 'command' ? step.meddle : undefined;
  const isHarmless = meddle === undefined || 'data' in meddle;
  const holdsAll = [...before.values(), ...after.values()].every(({ type }) => type !== 'vectorset');
  return isHarmless && holdsAll && !faulty && !hindered;
}

/** A dry run of the very restore that comes next; null where none was asked for. */
async function rehearse(world: World, step: CommandStep, call: Call): Promise<Watched | null> {
  if (step.run !== 'restore' || step.rehearsed !== true || step.do === 'kill') return null;
  const args = call.args.map((word) => (word === '--yes' ? '--dry-run' : word));
  const database = world[call.whose];
  const [from, before] = [Date.now(), await dump(database)];
  const outcome = await limited(world.product.run(args, variables(world)), args);
  checkWords(outcome);
  const after = await dump(database);
  const watched = { outcome, before, after, window: { from, to: Date.now() } };
  const still = {
    ...watched,
    touched: new Set<string>(),
    meddled: false,
    faulty: false,
    hindered: world.hindered,
    skewMs: 0,
  };
  unchanged(still, 'a dry run');
  return still;
}

async function watch(world: World, step: CommandStep, { args, whose, work }: Call): Promise<Watched> {
  const database = whose === 'other' ? world.other : world.main;
  const subject = whose === 'standby' ? world.standby : world.main;
  const env = variables(world, whose);
  const touched = new Set<string>();
  const state = { meddled: false, faulty: false };
  const skewSeconds = (step.do === 'command' ? step.skewSeconds : undefined) ?? 0;
  if (skewSeconds !== 0) world.skewed = true;
  world.aheadMs = skewSeconds * 1000;
  const from = Date.now();
  const before = await dump(subject);
  const aside = whose === 'standby' ? await dump(world.main) : null;
  const meddled: Promise<FaultAction>[] = [];
  let outcome: Outcome;
  if (step.do === 'kill') outcome = await killed(world, step, args, env, database);
  else {
    const meddle = step.meddle === undefined ? null : meddling(world, step.meddle, touched, state);
    database.onRequest(
      meddle === null
        ? null
        : (): Promise<FaultAction> => {
            const action = meddle();
            meddled.push(action);
            return action;
          },
    );
    const queued = 'queue' in step && work !== null && skewSeconds === 0 ? step.queue : undefined;
    outcome = await limited(
      queued === undefined || work === null
        ? world.product.run(args, env, skewSeconds)
        : world.product.queued(work, env, queued),
      args,
    );
  }
  database.onRequest(null);
  // A command that ends for another request leaves the one that was meddled with behind.
  await Promise.all(meddled);
  const after = await dump(subject);
  const window = { from, to: Date.now() };
  if (aside !== null) {
    const main = { outcome, before: aside, after: await dump(world.main), touched, window };
    unchanged(main, 'a restore into another database, in this one,');
  }
  return {
    outcome,
    before,
    after,
    hindered: world.hindered,
    touched: whose === 'standby' ? new Set() : touched,
    window,
    skewMs: skewSeconds * 1000,
    ...state,
  };
}

async function killed(
  world: World,
  step: Extract<Step, { do: 'kill' }>,
  args: readonly string[],
  env: ReturnType<typeof variables>,
  database: World['main'],
): Promise<Outcome> {
  let [seen, kill]: [number, () => void] = [0, () => undefined];
  database.onRequest(() => {
    if (++seen !== step.at) return Promise.resolve('pass');
    kill();
    // The request of a dead process: whether it still arrives is the network's affair.
    return Promise.resolve(step.at % 2 === 0 ? 'pass' : 'reset');
  });
  const timers: NodeJS.Timeout[] = [];
  const outcome = await limited(
    world.product.spawn(args, env, (how) => {
      kill = how;
      if (step.afterMs !== undefined) timers.push(setTimeout(how, step.afterMs));
    }),
    args,
  );
  for (const timer of timers) clearTimeout(timer);
  // What was on its way when the process died still arrives.
  await delay(60);
  return outcome;
}
