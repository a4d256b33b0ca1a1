import type { Leg, StepOutcome } from '../runs/model.js';
import { firstCheckpoint } from '../snapshot/checkpoint.js';
import { sealName } from '../snapshot/ledger.js';
import { parseRestoreCheckpoint, type RestoreCheckpoint } from './checkpoint.js';
import { addSpent, openContext, spentSince, type RestoreContext, type RestorePorts } from './context.js';
import { extraFinder } from './extras.js';
import { hashSet } from '../snapshot/hash-set.js';
import { isOurs } from './staged.js';
import { namesOf } from './naming.js';
import { enter } from './phases.js';
import { addPlan, countAction, noPlan, wantsExample, type Plan } from './plan-counts.js';
import type { PlanResult } from './plan-task.js';
import { objectionTo } from './objection.js';
import { tidyUp } from './tidy.js';
import { staysMarked } from './unfinished.js';
import { misplacedFinder } from './unite/moves.js';
import { countJoins, countLeaves } from './user-projects.js';
import { blockedFailure, stateOf } from './verdict.js';
import { goOnLater, walk, type Seer } from './walk.js';

/** Adds up the plan, with what has to be removed. */
export async function weighStep(ports: RestorePorts, leg: Leg): Promise<StepOutcome> {
  const context = await openContext(ports, leg.run);
  const before = context.redis.usage();
  const first = context.state.cursor === null;
  const plan = first ? await collectPlans(leg, context) : (context.state.plan ?? noPlan());
  const walked = searchesExtras(context)
    ? await walk(context.redis, leg, context.state, await extraCounter(ports, leg, context, plan))
    : null;
  const spent = addSpent(context.state.spent, spentSince(context.redis, before));
  const state = { ...context.state, plan, spent };
  if (walked !== null && walked.cursor !== null) return goOnLater(state, walked);
  const isOver = context.input.dryRun || objectionTo(context.input, state) !== null;
  return isOver ? enter('conclude', state, 0, ports.clock.now()) : decide(ports, leg, context, state);
}

/** Nothing is to be removed from an empty target; `merge` moves members of lists; `missing` does neither. */
function searchesExtras({ input, state }: RestoreContext): boolean {
  return input.mode !== 'missing' && !state.targetEmpty;
}

async function collectPlans(leg: Leg, context: RestoreContext): Promise<Plan> {
  const plan = noPlan();
  for await (const { result } of leg.results('plan')) addPlan(plan, (result as unknown as PlanResult).plan);
  plan.usersJoined = await countJoins(context);
  plan.usersLeft = countLeaves(context);
  return plan;
}

async function extraCounter(ports: RestorePorts, leg: Leg, context: RestoreContext, plan: Plan): Promise<Seer> {
  const restart = async (): Promise<void> => void Object.assign(plan, await collectPlans(leg, context));
  const misplaced = await misplacedFinder(ports, context, leg.run.id);
  if (misplaced !== null) {
    return {
      async see(keys) {
        for await (const { names } of misplaced(keys)) plan.lists.moved += names.length;
      },
      again: restart,
    };
  }
  const isExtra = await extraFinder(ports, context, leg.run.id);
  // SCAN may name a key twice; within one leg it is counted once.
  let seen = hashSet();
  return {
    async see(keys) {
      for (const live of keys) {
        if (!live.supported || isOurs(live.key) || !isExtra(live) || !seen.add(live.key)) continue;
        countAction(plan, live.known.family, 'remove');
        if (wantsExample(plan, 'remove')) {
          plan.examples.push({ action: 'remove', key: await sealName(ports.sealer, live.key) });
        }
      }
    },
    async again() {
      seen = hashSet();
      await restart();
    },
  };
}

function decide(ports: RestorePorts, leg: Leg, context: RestoreContext, state: RestoreCheckpoint): StepOutcome {
  const now = ports.clock.now();
  if (!context.input.safety) return enter('fence', { ...state, undo: 'skipped' }, 0, now);
  return enter('safety-scan', { ...state, undo: leg.run.id, safety: firstCheckpoint() }, 0, now);
}

/** Ends a dry run, and a restore that the target cannot take. A phase of its own: what tells keys apart is removed, and the plan must not be made again without it. */
export async function concludeStep(ports: RestorePorts, leg: Leg): Promise<StepOutcome> {
  const state = parseRestoreCheckpoint(leg.run.checkpoint);
  const context = await openContext(ports, leg.run);
  const { input, manifest } = context;
  const marked = await staysMarked(ports.store, context);
  const { plan, spent: serial, startedAt } = state;
  let spent = serial;
  for await (const { result } of leg.results('plan')) spent = addSpent(spent, (result as unknown as PlanResult).spent);
  await tidyUp(ports.store, leg.run.id);
  const names = namesOf(ports, manifest, input.target);
  const result = { ...input, names, staysMarked: marked, plan, spent, milliseconds: ports.clock.now() - startedAt };
  const error = objectionTo(input, state) ?? blockedFailure(input, state);
  return { to: 'end', state: error === null ? 'succeeded' : stateOf(error), result, error };
}
