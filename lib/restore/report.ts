import { toAppError } from '../errors.js';
import type { Json } from '../json.js';
import type { Leg, StepOutcome } from '../runs/model.js';
import {
  addSpent,
  openContext,
  spentSince,
  type Afterwards,
  type RestoreContext,
  type RestorePorts,
  type Spent,
} from './context.js';
import { extraFinder } from './extras.js';
import { releaseLocks } from '../soulcaster/locks.js';
import type { InspectResult, InspectedProject } from './inspect-task.js';
import { inspectTasks } from './inspect-task.js';
import { addLasting, findGone, type Lasting } from './lasting.js';
import { enter } from './phases.js';
import { addProof, holds, noProof } from './proof-counts.js';
import type { ProofResult } from './prove-task.js';
import { isOurs } from './staged.js';
import { clearUnfinished, staysMarked } from './unfinished.js';
import { namesOf } from './naming.js';
import { tidyUp } from './tidy.js';
import { failureOf, stateOf } from './verdict.js';
import { goOnLater, walk } from './walk.js';
import type { WriteResult } from './write-task.js';

/** Counts what is in the scope and was not in the snapshot: it came up during the restore, or no snapshot can hold it. */
export async function countExtrasStep(ports: RestorePorts, leg: Leg): Promise<StepOutcome> {
  const context = await openContext(ports, leg.run);
  const { input, redis, state } = context;
  const next = (extras: number, spent: Spent): StepOutcome =>
    enter('inspect', { ...state, extras, spent, walked: 0 }, inspectTasks(state.projects), ports.clock.now());
  if (input.mode !== 'replace') return next(0, state.spent);
  const before = redis.usage();
  const isExtra = await extraFinder(ports, context, leg.run.id);
  let { extras } = state;
  const walked = await walk(redis, leg, state, {
    see(keys) {
      extras += keys.filter((live) => !isOurs(live.key) && isExtra(live)).length;
      return Promise.resolve();
    },
    again() {
      extras = 0;
      return Promise.resolve();
    },
  });
  const spent = addSpent(state.spent, spentSince(redis, before));
  return walked.cursor === null ? next(extras, spent) : goOnLater({ ...state, extras, spent }, walked);
}

/** Ends a restore: lets go of the locks, tidies up, and says how it went. */
export async function reportStep(ports: RestorePorts, leg: Leg): Promise<StepOutcome> {
  const context = await openContext(ports, leg.run);
  await releaseLocks(context.redis, context.state.projects, leg.run.id);
  const { proof, lasting, spent: proving } = await collectProof(leg);
  const { projects, spent: inspecting } = await collectProjects(leg);
  const { counts, spent: writing } = await collectWrites(leg);
  const { united, spent: uniting } = await collectUnited(leg);
  const planning = await collectSpent(leg, 'plan');
  const spent = [proving, inspecting, writing, uniting, planning].reduce(addSpent, context.state.spent);
  const gone = await findGone(context.redis, lasting, ports.clock.now());
  const marked = await staysMarked(ports.store, context);
  if (holds(proof) && gone === null && !marked) await clearUnfinished(ports, leg.run.id, context.redis, context.input);
  await tidyUp(ports.store, leg.run.id);
  const error = failureOf(context, { proof, gone }, projects);
  const vectors = error?.code === 'not-proven' ? SKIPPED : await reindexAfter(ports, context);
  const result = {
    ...summary(ports, context),
    written: counts,
    united,
    proof,
    gone,
    staysMarked: marked,
    projects,
    spent,
    writing,
    vectors,
  } as unknown as Json;
  return { to: 'end', state: error === null ? 'succeeded' : stateOf(error), result, error };
}

const SKIPPED: Afterwards = { state: 'skipped', run: null };

/** The index belongs to the database that is backed up. That it cannot be rebuilt now does not make the restore fail. */
async function reindexAfter(ports: RestorePorts, { input }: RestoreContext): Promise<Afterwards> {
  if (!input.reindex || input.target !== null) return SKIPPED;
  try {
    return await ports.reindex(input.scope);
  } catch (error) {
    ports.log.warn('reindex-not-started', { code: toAppError(error).code });
    return { state: 'failed', run: null };
  }
}

function summary(ports: RestorePorts, { input, manifest, state }: RestoreContext): object {
  const { plan, undo, locksTaken, removed, extras, startedAt, times, targetEmpty } = state;
  const milliseconds = ports.clock.now() - startedAt;
  return {
    ...input,
    names: namesOf(ports, manifest, input.target),
    plan,
    undo,
    targetEmpty,
    locksTaken,
    removed,
    extras,
    milliseconds,
    phases: phaseTimes(ports, times),
  };
}

/** How long each phase took, in milliseconds. */
function phaseTimes(ports: RestorePorts, times: readonly (readonly [string, number])[]): Record<string, number> {
  const ends = [...times.slice(1).map(([, at]) => at), ports.clock.now()];
  return Object.fromEntries(times.map(([phase, at], index) => [phase, (ends[index] ?? at) - at]));
}

async function collectProof(leg: Leg): Promise<ProofResult & { readonly lasting: Lasting }> {
  const proof = noProof();
  let lasting = addLasting(undefined, undefined);
  let spent: Spent = { commands: 0, requests: 0 };
  for await (const { result } of leg.results('prove')) {
    const part = result as unknown as ProofResult;
    addProof(proof, part.proof);
    lasting = addLasting(lasting, part.lasting);
    spent = addSpent(spent, part.spent);
  }
  return { proof, lasting, spent };
}

async function collectProjects(leg: Leg): Promise<InspectResult> {
  const projects: InspectedProject[] = [];
  let spent: Spent = { commands: 0, requests: 0 };
  for await (const { result } of leg.results('inspect')) {
    const some = result as unknown as InspectResult;
    projects.push(...some.projects);
    spent = addSpent(spent, some.spent);
  }
  return { projects, spent };
}

async function collectWrites(leg: Leg): Promise<WriteResult> {
  const counts = { written: 0, kept: 0, removed: 0, expired: 0, bytes: 0 };
  let spent: Spent = { commands: 0, requests: 0 };
  for await (const { result } of leg.results('write')) {
    const part = result as unknown as WriteResult;
    for (const name of ['written', 'kept', 'removed', 'expired', 'bytes'] as const) counts[name] += part.counts[name];
    spent = addSpent(spent, part.spent);
  }
  return { counts, spent };
}

/** Lists that got members, and how many those were. */
async function collectUnited(leg: Leg): Promise<{ united: { lists: number; members: number }; spent: Spent }> {
  const united = { lists: 0, members: 0 };
  let spent: Spent = { commands: 0, requests: 0 };
  for await (const { result } of leg.results('unite')) {
    const part = result as unknown as { lists: number; members: number; spent: Spent };
    united.lists += part.lists;
    united.members += part.members;
    spent = addSpent(spent, part.spent);
  }
  return { united, spent };
}

async function collectSpent(leg: Leg, phase: string): Promise<Spent> {
  let spent: Spent = { commands: 0, requests: 0 };
  for await (const { result } of leg.results(phase)) spent = addSpent(spent, (result as { spent: Spent }).spent);
  return spent;
}
