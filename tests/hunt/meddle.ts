import type { FaultAction } from '../../dev/fault-proxy.js';
import { runningIn } from './audit.js';
import { checkWords } from './claims.js';
import { change, nameOf } from './data.js';
import { limited } from './product.js';
import type { DataStep, Meddle, Second } from './steps.js';
import { remember, tamper } from './tamper.js';
import { agree } from './times.js';
import { dump, variables, type World } from './world.js';

/** What happens to the database, its network or the store while a command runs, as a rule of the proxy. */
export function meddling(
  world: World,
  what: Meddle,
  touched: Set<string>,
  state: { meddled: boolean; faulty: boolean },
) {
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
    if ('tamper' in what) {
      state.faulty = true;
      remember(world);
      tamper(world, what.tamper);
      return 'pass';
    }
    state.meddled = true;
    if ('second' in what) {
      await second(world, what.second, touched);
      return 'pass';
    }
    const before = await dump(world.main);
    await change(world.main, what.data);
    const after = await dump(world.main);
    const never = { from: 0, to: 0 };
    for (const key of new Set([...before.keys(), ...after.keys()])) {
      if (!agree(before.get(key), after.get(key), never)) touched.add(key);
    }
    for (const key of named(what.data)) touched.add(key);
    return 'pass';
  };
}

/** Another process, while the first waits for an answer. */
async function second(world: World, what: Second, touched: Set<string>): Promise<void> {
  const args = secondArguments(world, what);
  if (args === null) return;
  const [from, before] = [Date.now(), await dump(world.main)];
  const outcome = await limited(world.product.run(args, variables(world)), args);
  checkWords(outcome);
  const [after, window] = [await dump(world.main), { from, to: Date.now() }];
  if (what === 'cancel' && outcome.json?.['cancelled'] === true) world.cancelled.add(args[1] ?? '');
  if (what !== 'restore') return;
  const names = [...new Set([...before.keys(), ...after.keys()])];
  const isStill = names.every((key) => agree(before.get(key), after.get(key), window));
  if (outcome.code !== 0 && isStill) return;
  for (const key of names) touched.add(key);
  // One that broke off may have left a mark, which is not followed up.
  if (outcome.code === 0) world.unfinished.clear();
  else world.brokenOff = true;
}

function secondArguments(world: World, what: Second): string[] | null {
  switch (what) {
    case 'backup':
    case 'drill':
    case 'guard':
      return [what, '--local'];
    case 'prune':
    case 'replicate':
      return [what];
    case 'restore':
      return ['restore', 'latest', '--yes', '--local', '--no-reindex'];
    case 'cancel': {
      const run = runningIn(world);
      return run === null ? null : ['cancel', run];
    }
    case 'unlock':
      return ['unlock', 'database', '--yes'];
  }
}

function named(step: DataStep): string[] {
  const keys = [...('key' in step ? [step.key] : []), ...('to' in step ? [step.to] : [])];
  return keys.map((key) => nameOf(key).toString('latin1'));
}
