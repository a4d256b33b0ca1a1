import type { Attempt, StepOutcome, RunFailure } from '../runs/model.js';
import { encryptName } from '../snapshot/ledger.js';
import { parseRestoreCheckpoint, type RestoreCheckpoint } from './checkpoint.js';
import { addSpent, openContext, spentSince, type RestoreContext, type RestorePorts } from './context.js';
import { extraFinder } from './extras.js';
import { hashSet } from '../snapshot/hash-set.js';
import { refusedWrites } from './rights.js';
import { isOurs } from './staged.js';
import { namesOf } from './naming.js';
import { enter } from './phases.js';
import { addPlan, countAction, EXAMPLES, noPlan, wantsExample, type Plan } from './plan-counts.js';
import type { PlanResult } from './plan-task.js';
import { isInVectors, projectsOf } from './selected.js';
import { enterSafety, type Saved } from './safety.js';
import { tidyUpPlan } from './tidy.js';
import { staysMarked } from './unfinished.js';
import { misplacedFinder } from './unite/moves.js';
import { countJoins, countLeaves } from './user-projects.js';
import { blockedFailure, stateOf } from './verdict.js';
import { goOnLater, walk, type Seer } from './walk.js';
import { lackHint, lackWords, SCRATCH_HINT } from './lacks.js';
import type { RestoreInput } from './model.js';
import { shownName } from './shown-name.js';

/** Adds up the plan, with what has to be removed. */
export async function weighStep(ports: RestorePorts, attempt: Attempt): Promise<StepOutcome> {
  const context = await openContext(ports, attempt.run, attempt.signal);
  const before = context.redis.usage();
  const first = context.state.cursor === null;
  const plan = first ? await collectPlans(attempt, context) : (context.state.plan ?? noPlan());
  const touched = { projects: new Set(context.state.projects), vectors: new Set(context.state.vectors) };
  const walked = searchesExtras(context)
    ? await walk(context.redis, attempt, context.state, await extraCounter(ports, attempt, context, plan, touched))
    : null;
  const spent = addSpent(context.state.spent, spentSince(context.redis, before));
  const { projects, vectors } = touched;
  const state = { ...context.state, plan, spent, projects: [...projects].sort(), vectors: [...vectors].sort() };
  if (walked !== null && walked.cursor !== null) return goOnLater(state, walked);
  const isOver = context.input.dryRun || objectionTo(context.input, state) !== null;
  if (isOver) return enter('conclude', state, 0, ports.clock.now());
  const lacking = await refusedWrites(context.redis, plan);
  if (lacking !== null) return enter('condemn', { ...state, lacking }, 0, ports.clock.now());
  const now = ports.clock.now();
  if (!context.input.safety) return enter('fence', { ...state, undo: 'skipped' }, 0, now);
  return enterSafety(state, attempt.run.id, await collectSaved(attempt), now);
}

/** Nothing is to be removed from an empty target; `merge` moves members of lists; `missing` does neither. */
function searchesExtras({ input, state }: RestoreContext): boolean {
  return input.mode !== 'missing' && !state.targetEmpty;
}

async function collectPlans(attempt: Attempt, context: RestoreContext): Promise<Plan> {
  const plan = noPlan();
  for await (const { result } of attempt.results('plan')) addPlan(plan, (result as unknown as PlanResult).plan);
  plan.usersJoined = await countJoins(context);
  plan.usersLeft = countLeaves(context);
  plan.goneClusters = context.state.goneClusters.length;
  return plan;
}

/** Projects that a restore touches, and those of which it touches what goes into vectors. */
interface Touched {
  readonly projects: Set<string>;
  readonly vectors: Set<string>;
}

/** Counts what is removed, and members of lists that are. What is removed may be of projects that the snapshot lacks. */
async function extraCounter(
  ports: RestorePorts,
  attempt: Attempt,
  context: RestoreContext,
  plan: Plan,
  touched: Touched,
): Promise<Seer> {
  const restart = async (): Promise<void> => void Object.assign(plan, await collectPlans(attempt, context));
  const misplaced = await misplacedFinder(ports, context, attempt.run.id);
  const isReplaced = context.input.mode === 'replace';
  const namesProjects = !('all' in context.input.scope) && projectsOf(context.input.scope).length === 0;
  const isExtra = await extraFinder(ports, context, attempt.run.id);
  // SCAN may name a key twice; within one attempt it is counted once.
  let seen = hashSet();
  return {
    async see(keys) {
      if (misplaced !== null) {
        for await (const { live, names } of misplaced(keys)) {
          plan.lists.moved += names.length;
          if (plan.lists.losing.length < EXAMPLES) plan.lists.losing.push(await encryptName(ports.encryptor, live.key));
        }
      }
      if (!isReplaced) return;
      for (const live of keys) {
        if (!live.supported || isOurs(live.key) || !isExtra(live) || !seen.add(live.key)) continue;
        countAction(plan, live.known.family, 'remove');
        const { project } = live.known;
        if (namesProjects && project !== null) touched.projects.add(project);
        if (isInVectors(live.known)) touched.vectors.add(project ?? '');
        if (wantsExample(plan, 'remove')) {
          plan.examples.push({ action: 'remove', key: await encryptName(ports.encryptor, live.key) });
        }
      }
    },
    async again() {
      seen = hashSet();
      await restart();
    },
  };
}

async function collectSaved(attempt: Attempt): Promise<Saved[]> {
  const saved: Saved[] = [];
  for await (const { result } of attempt.results('plan')) {
    const { saved: some } = result as unknown as PlanResult;
    if (some !== undefined) saved.push(some);
  }
  return saved;
}

/** Ends a dry run, and a restore that the target cannot take. A separate phase: what tells keys apart is removed, and the plan must not be made again without it. */
export async function concludeStep(ports: RestorePorts, attempt: Attempt): Promise<StepOutcome> {
  const state = parseRestoreCheckpoint(attempt.run.checkpoint);
  const context = await openContext(ports, attempt.run, attempt.signal);
  const { input, manifest } = context;
  const marked = await staysMarked(ports.store, context);
  const { plan, spent: serial, startedAt } = state;
  let spent = serial;
  for await (const { result } of attempt.results('plan'))
    spent = addSpent(spent, (result as unknown as PlanResult).spent);
  await tidyUpPlan(ports.store, attempt.run.id);
  const names = namesOf(ports, manifest, input.target);
  const result = { ...input, names, staysMarked: marked, plan, spent, milliseconds: ports.clock.now() - startedAt };
  const error = objectionTo(input, state) ?? blockedFailure(input, state);
  return { to: 'end', state: error === null ? 'succeeded' : stateOf(error), result, error };
}

const NAMED = 5;

/** Why a restore by this plan must not begin: the target could not take all of it. Null when it could. */
function objectionTo(input: RestoreInput, state: RestoreCheckpoint): RunFailure | null {
  return lacking(input, state) ?? listsInTheWay(input, state) ?? noRoom(input, state);
}

function lacking({ trigger }: RestoreInput, { plan }: RestoreCheckpoint): RunFailure | null {
  if (plan === null || plan.lacks.length === 0) return null;
  const named = plan.lacks.map((lack) => lackWords(lack, shownName)).join('; ');
  const message = `The target does not know ${named}. Nothing was written.`;
  return { code: 'not-restorable', message, hint: lackHint(plan.lacks, trigger === 'drill') };
}

/** Mode `missing` leaves a list that is of another type now: items that come back would be in none. */
function listsInTheWay({ mode }: RestoreInput, { plan }: RestoreCheckpoint): RunFailure | null {
  if (plan === null || mode !== 'missing' || plan.lists.wrongType === 0) return null;
  const { wrong, wrongType } = plan.lists;
  const names = wrong.slice(0, NAMED).map(shownName).join(', ');
  const more = wrongType > NAMED ? ` and ${wrongType - NAMED} more` : '';
  return {
    code: 'not-restorable',
    message: `What stands where lists of the snapshot were is of another type, and mode missing leaves it, so that what is restored would be in no list: ${names}${more}. Nothing was written.`,
    hint: 'Rename or delete these keys, or restore with --mode merge, which saves and overwrites them.',
  };
}

/** Whether it does anything but remove, and set expiries. */
function needsRoom({ bytes, lists, total, usersJoined }: Plan): boolean {
  return bytes.all + lists.added + total.fail + usersJoined > 0;
}

/**
 * A target that is full, or would be: then the first keys would be written and the rest refused, or others thrown out.
 * What would be written takes more in memory than the bytes that are counted, never less.
 */
function noRoom({ target, trigger }: RestoreInput, { plan, abilities }: RestoreCheckpoint): RunFailure | null {
  if (plan === null || abilities === null || !needsRoom(plan)) return null;
  const { full, memory } = abilities;
  const free = memory === null ? null : memory.limit - memory.used;
  if (!full && (free === null || plan.bytes.absent <= free)) return null;
  const where = target === null ? 'The database' : `Target ${target}`;
  const told = memory === null ? '' : ` It uses ${memory.used} of ${memory.limit} bytes.`;
  const evicts = memory?.evicts === true ? ' It would evict other keys, and restored ones.' : '';
  const needed =
    plan.bytes.all === 0
      ? 'this restore adds members to lists'
      : `this restore writes at least ${plan.bytes.all} bytes, ${plan.bytes.absent} of them of keys that are absent`;
  return {
    code: 'not-restorable',
    message: `${where} has no room: ${needed}.${told}${evicts} Nothing was written.`,
    hint:
      trigger === 'drill'
        ? SCRATCH_HINT
        : "Raise the plan's data size (maxmemory on your own server), free some of it, or restore to another target with --target.",
  };
}
