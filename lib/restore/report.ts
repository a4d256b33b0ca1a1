import { toAppError } from '../errors.js';
import type { Json } from '../json.js';
import type { Attempt, StepOutcome } from '../runs/model.js';
import { releaseLocks } from '../soulcaster/locks.js';
import { addCounts, NO_COUNTS } from './write/writer.js';
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
import { isMirror, projectsATask, type InspectResult, type InspectedProject } from './inspect-task.js';
import { addLasting, findGone, type Lasting, type ProofResult } from './prove-task.js';
import type { VectorScope } from './model.js';
import { enterPhase } from './checkpoint.js';
import { addProof, isProven, noProof } from './proof.js';
import { isOwnKey } from './target.js';
import { acceptanceOf, clearUnfinished, staysMarked } from './unfinished.js';
import { namesOf } from './result.js';
import { tidyUp } from './working-objects.js';
import { failureOf, stateOf } from './verdict.js';
import { continueLater, walk } from './live.js';
import type { WriteResult } from './write-task.js';

/** Counts keys of the scope that the snapshot lacks: written during the restore, or of types that no snapshot can hold. */
export async function countExtrasStep(ports: RestorePorts, attempt: Attempt): Promise<StepOutcome> {
  const context = await openContext(ports, attempt.run, attempt.signal);
  const { input, redis, state } = context;
  const next = async (extras: number, spent: Spent): Promise<StepOutcome> => {
    const mirror = isMirror(context, (await collectProof(attempt)).proof, extras);
    const atOnce = projectsATask(context, mirror);
    const after = { ...state, extras, mirror, projectsATask: atOnce, spent, walked: 0 };
    return enterPhase('inspect', after, Math.ceil(state.projects.length / atOnce), ports.clock.now());
  };
  if (input.mode !== 'replace') return next(0, state.spent);
  const before = redis.usage();
  const isExtra = await extraFinder(ports, context, attempt.run.id);
  let { extras } = state;
  const walked = await walk(redis, attempt, state, {
    visit(keys) {
      extras += keys.filter((live) => !isOwnKey(live.key) && isExtra(live)).length;
      return Promise.resolve();
    },
    restart() {
      extras = 0;
      return Promise.resolve();
    },
  });
  const spent = addSpent(state.spent, spentSince(redis, before));
  return walked.cursor === null ? next(extras, spent) : continueLater({ ...state, extras, spent }, walked);
}

/** Ends a restore: releases the locks, removes working objects, and reports the result. */
export async function reportStep(ports: RestorePorts, attempt: Attempt): Promise<StepOutcome> {
  const began = ports.clock.now();
  const context = await openContext(ports, attempt.run, attempt.signal);
  await releaseLocks(context.redis, context.state.projects, attempt.run.id);
  const { proof, lasting, spent: proving } = await collectProof(attempt);
  const { projects, spent: inspecting } = await collectProjects(attempt);
  const { counts, spent: writing } = await collectWrites(attempt);
  const { united, spent: uniting } = await collectUnited(attempt);
  const planning = await collect(attempt, 'plan', () => undefined);
  const spent = [proving, inspecting, writing, uniting, planning].reduce(addSpent, context.state.spent);
  const gone = await findGone(context.redis, lasting, context.now());
  const marked = await staysMarked(ports.store, context);
  if (isProven(proof) && gone === null && !marked) await clearUnfinished(ports, attempt.run.id, context);
  await tidyUp(ports.store, attempt.run.id);
  const error = failureOf(context, { proof, gone, replica: ports.firstStore !== undefined }, projects);
  const vectorScope = vectorScopeOf(context);
  const vectors = error?.code === 'not-proven' ? SKIPPED : await reindexAfter(ports, context, vectorScope);
  const result = {
    ...summary(ports, context),
    ...milestones(context.state, isProven(proof) && gone === null ? began : null),
    written: counts,
    united,
    proof,
    gone,
    accepted: await acceptanceOf(ports.store, context),
    staysMarked: marked,
    projects,
    spent,
    writing,
    vectors,
    vectorScope,
  } as unknown as Json;
  return { to: 'end', state: error === null ? 'succeeded' : stateOf(error), result, error };
}

const SKIPPED: Afterwards = { state: 'skipped', run: null };

/** The index belongs to the protected database. A restore does not fail because the index cannot be rebuilt now. */
async function reindexAfter(
  ports: RestorePorts,
  { input }: RestoreContext,
  scope: VectorScope | null,
): Promise<Afterwards> {
  if (!input.reindex || input.target !== null || scope === null) return SKIPPED;
  try {
    return await ports.reindex(scope);
  } catch (error) {
    ports.log.warn('reindex-not-started', { code: toAppError(error).code });
    return { state: 'failed', run: null };
  }
}

/** Whose vectors may be outdated: those of the scope; null when nothing of it goes into vectors. */
function vectorScopeOf({ input: { scope }, state: { vectors } }: RestoreContext): VectorScope | null {
  if ('all' in scope || 'project' in scope || 'items' in scope) return scope;
  const [project] = vectors ?? [];
  if (vectors === null || project === undefined) return null;
  // Vectors from before there were projects have no scope.
  if (vectors.includes('')) return { all: true };
  return vectors.length === 1 ? { project } : { projects: vectors };
}

function summary(ports: RestorePorts, { input, manifest, state }: RestoreContext): object {
  const { plan, undo, locksTaken, notMarked, removed, extras, startedAt, times, targetEmpty } = state;
  const milliseconds = ports.clock.now() - startedAt;
  return {
    ...input,
    names: namesOf(ports, manifest, input.target),
    plan,
    undo,
    targetEmpty,
    locksTaken,
    notMarked,
    removed,
    extras,
    milliseconds,
    phases: phaseTimes(ports, times),
  };
}

/** When all data were written, so that the application can use them again, and when they were proven; null if not reached. */
function milestones({ startedAt, times }: RestoreContext['state'], proven: number | null): object {
  const restored = times.find(([phase]) => phase === 'prove')?.[1] ?? null;
  const iso = (at: number | null): string | null => (at === null ? null : new Date(at).toISOString());
  return {
    restoredAt: iso(restored),
    provenAt: iso(proven),
    restoredMilliseconds: restored === null ? null : restored - startedAt,
  };
}

/** How long each phase took, in milliseconds. */
function phaseTimes(ports: RestorePorts, times: readonly (readonly [string, number])[]): Record<string, number> {
  const ends = [...times.slice(1).map(([, at]) => at), ports.clock.now()];
  return Object.fromEntries(times.map(([phase, at], index) => [phase, (ends[index] ?? at) - at]));
}

async function collectProof(attempt: Attempt): Promise<ProofResult & { readonly lasting: Lasting }> {
  const proof = noProof();
  let lasting = addLasting(undefined, undefined);
  const spent = await collect(attempt, 'prove', (result) => {
    const part = result as ProofResult;
    addProof(proof, part.proof);
    lasting = addLasting(lasting, part.lasting);
  });
  return { proof, lasting, spent };
}

async function collectProjects(attempt: Attempt): Promise<InspectResult> {
  const projects: InspectedProject[] = [];
  const spent = await collect(attempt, 'inspect', (result) => projects.push(...(result as InspectResult).projects));
  return { projects, spent };
}

async function collectWrites(attempt: Attempt): Promise<WriteResult> {
  let counts = NO_COUNTS;
  const spent = await collect(attempt, 'write', (result) => {
    counts = addCounts(counts, (result as WriteResult).counts);
  });
  return { counts, spent };
}

/** How many lists gained members, and how many members were added. */
async function collectUnited(attempt: Attempt): Promise<{ united: { lists: number; members: number }; spent: Spent }> {
  const united = { lists: 0, members: 0 };
  const spent = await collect(attempt, 'unite', (result) => {
    const { lists, members } = result as typeof united;
    united.lists += lists;
    united.members += members;
  });
  return { united, spent };
}

/** Passes on the result of each task of a phase, and adds up what the tasks have spent. */
async function collect(attempt: Attempt, phase: string, add: (result: unknown) => void): Promise<Spent> {
  let spent: Spent = { commands: 0, requests: 0 };
  for await (const { result } of attempt.results(phase)) {
    add(result);
    spent = addSpent(spent, (result as { spent: Spent }).spent);
  }
  return spent;
}
