import { AppError } from '../errors.js';
import type { VectorIndex } from '../ports/vector-index.js';
import type { StepOutcome } from '../runs/model.js';
import { keepLocks } from '../soulcaster/locks.js';
import {
  continueLater,
  enterPhase,
  inputOf,
  newProject,
  type ProjectState,
  refusedFirst,
  type ReindexCheckpoint,
  stateOf,
  withProject,
} from './checkpoint.js';
import { throwIfAborted, type StepContext } from './context.js';
import { lockedProjects } from './embed-task.js';
import { addNewProjects, entryOf, type FoundProject, loadFound } from './find-step.js';
import { withListed } from './lists.js';
import { addSpent, isRefusal, itemsOnly, type Skipped, type SkipReason } from './model.js';
import { findIds } from './namespace.js';
import { projectsOf } from './plan-step.js';
import { loadSkippedItems } from './reconcile-task.js';
import { unlessRefused } from './refusal.js';
import { embedMissing, findGone, removeStrays } from './repair.js';

/** How often items created or deleted in the meantime are repaired before they fail the proof. */
const ROUNDS = 3;
/** After this many polls without a fall in the number of pending writes, the wait ends. */
const PENDING_POLLS = 60;
const PENDING_MS = 1_000;

/** Compares each namespace with the items of the walk and of the project's lists, removes vectors without an item, and searches it with its own vectors. */
export async function proveStep(work: StepContext): Promise<StepOutcome> {
  const { ports, attempt } = work;
  const input = inputOf(attempt.run);
  let state = stateOf(attempt.run);
  if (countProven(state) === 0) state = { ...state, odd: [] };
  await keepLocks(ports.redis, lockedProjects(input, state), attempt.run.id);
  const found = await loadFound(ports.store, state.chunks);
  await addNewProjects(ports.redis, found, input.scope, attempt.signal);
  const skipped = await loadSkippedItems(attempt);
  let worked = false;
  for (const project of await projectsOf(ports, found, input)) {
    const known = state.projects.find((one) => one.project === project);
    if (known === undefined && input.retry !== null) continue;
    const entry = known ?? newProject(project);
    if (entry.proof !== null || entry.refused !== null) continue;
    if (worked && attempt.timeIsUp()) return continueLater(state, countProven(state));
    throwIfAborted(attempt.signal);
    const waited = await waitForIndex(work, project, () => attempt.timeIsUp());
    state = { ...state, seen: state.seen + waited.polls };
    // Each poll counts as progress: the index works, and the next attempt continues the wait.
    if (waited.isFalling) return continueLater({ ...state, pendingSince: null }, countProven(state) + state.seen);
    if (waited.pending > 0) await pauseWhilePending(work, state, waited);
    state = { ...state, pendingSince: null };
    const before = state;
    const proving = await unlessRefused(ports.vectors, async () => {
      const now = await withListed(ports.redis, project, entryOf(found, project), itemsOnly(input.scope, project));
      return proveProject(work, before, entry, now, new Map(skipped.get(project)));
    });
    state = 'done' in proving ? proving.done : withProject(state, { ...entry, refused: proving.refused });
    await attempt.save(state, { done: countProven(state), total: null, unit: 'items', bytes: 0 });
    worked = true;
  }
  return enterPhase(input.beside === null ? 'report' : 'compare', state, 0, ports.clock.now());
}

/** After this long without a fall in the number of pending writes, the wait ends for good. */
const MOST_PENDING_MS = 24 * 3_600_000;
const SLEEP_MS = 10 * 60_000;

/**
 * Makes the run wait, as for a daily limit, when the number of pending writes does not fall: the queue or the guard wakes
 * it. Not within one process, where nothing would wake it, and not after a day: then the proof covers what it can.
 */
async function pauseWhilePending(
  { attempt, ports, settings }: StepContext,
  state: ReindexCheckpoint,
  { pending }: Waited,
) {
  const now = ports.clock.now();
  const since = state.pendingSince ?? now;
  if (settings.patience || now - since >= MOST_PENDING_MS) return;
  await attempt.save(
    { ...state, pendingSince: since },
    { done: countProven(state), total: null, unit: 'items', bytes: 0 },
  );
  throw new AppError('vector-pending', `The index has ${pending} writes pending, and the number does not fall`, {
    hint: 'Nothing to do: everything is stored, and the proof runs once it is indexed. The Upstash console shows the state of the index.',
    retryAfterMs: SLEEP_MS,
  });
}

interface NamespaceState {
  /** Ids of the namespace whose key does not exist. */
  readonly gone: ReadonlySet<string>;
  readonly items: Set<string>;
  readonly ids: ReadonlySet<string>;
  readonly missing: readonly string[];
  readonly strays: readonly string[];
}

async function proveProject(
  work: StepContext,
  before: ReindexCheckpoint,
  first: ProjectState,
  found: FoundProject,
  skipped: Map<string, SkipReason>,
): Promise<ReindexCheckpoint> {
  const { ports, attempt } = work;
  const { project } = first;
  const mayRemove = inputOf(attempt.run).mode !== 'missing';
  const odd: Skipped[] = [...found.odd]
    .filter(([id]) => !skipped.has(id))
    .map(([id, reason]) => ({ project, id, reason }));
  let [entry, spent, comparison] = [first, before.spent, await compareWithItems(work, project, found.items, skipped)];
  for (let round = 0; round < ROUNDS && comparison.missing.length + comparison.strays.length > 0; round++) {
    const repaired = await embedMissing(work, project, comparison.missing, found);
    const { strays, created } = await removeStrays(ports, project, comparison.strays, comparison.gone, mayRemove);
    for (const id of repaired.gone) found.items.delete(id);
    for (const id of created) found.items.add(id);
    for (const [id, reason] of repaired.skipped) {
      skipped.set(id, reason);
      odd.push({ project, id, reason });
    }
    spent = addSpent(spent, repaired.spent);
    const swept = entry.swept + (mayRemove ? strays.length : 0);
    entry = { ...entry, topUp: entry.topUp + repaired.embedded.length, swept };
    comparison = await compareWithItems(work, project, found.items, skipped);
  }
  const proof = await proofOf(work, project, comparison, skipped);
  const next = withProject(before, { ...entry, items: comparison.items.size, odd: odd.length, proof });
  return { ...next, spent, odd: refusedFirst([...next.odd, ...odd]) };
}

/** Compares the namespace with the items, and removes deleted items from `items`. */
export async function compareWithItems(
  { attempt, ports }: Pick<StepContext, 'attempt' | 'ports'>,
  project: string,
  items: Set<string>,
  skipped: ReadonlyMap<string, SkipReason>,
): Promise<NamespaceState> {
  const ids = await findIds(ports.vectors, project, itemsOnly(inputOf(attempt.run).scope, project));
  // Items deleted since the walk; usually one command suffices to find them.
  const gone = new Set(await findGone(ports.redis, project, [...ids]));
  for (const id of gone) items.delete(id);
  return {
    gone,
    items,
    ids,
    missing: [...items].filter((id) => !ids.has(id) && !skipped.has(id)),
    strays: [...ids].filter((id) => !items.has(id)),
  };
}

async function proofOf(
  { ports, attempt }: StepContext,
  project: string,
  { items, ids, missing, strays }: NamespaceState,
  skipped: ReadonlyMap<string, SkipReason>,
): Promise<NonNullable<ProjectState['proof']>> {
  // The repairs above are only a few writes.
  const { pending } = await waitForIndex({ ports, attempt }, project, () => attempt.timeIsUp());
  const unable = [...skipped].filter(([id, reason]) => items.has(id) && !(isRefusal(reason) && ids.has(id)));
  return {
    items: items.size - unable.length,
    vectors: ids.size,
    missing: missing.length,
    strays: strays.length,
    left: [...skipped].filter(([id, reason]) => isRefusal(reason) && ids.has(id)).length,
    ...(await searchSample(ports.vectors, project, [...ids])),
    pending,
  };
}

interface Waited {
  /** Writes that queries cannot see yet. */
  readonly pending: number;
  readonly polls: number;
  /** Whether `isOver` ended the wait while the number was still falling. */
  readonly isFalling: boolean;
}

/** Waits until queries can see every write, as long as the number of pending writes falls. */
async function waitForIndex(
  { ports, attempt }: Pick<StepContext, 'ports' | 'attempt'>,
  project: string,
  isOver: () => boolean,
): Promise<Waited> {
  let lowest = Number.POSITIVE_INFINITY;
  let since = 0;
  for (let polls = 1; ; polls++) {
    const { namespaces } = await ports.vectors.info();
    const pending = namespaces[project]?.pending ?? 0;
    since = pending < lowest ? 0 : since + 1;
    lowest = Math.min(lowest, pending);
    if (pending === 0 || since >= PENDING_POLLS) return { pending, polls, isFalling: false };
    if (isOver()) return { pending, polls, isFalling: true };
    await ports.clock.sleep(PENDING_MS, attempt.signal);
    throwIfAborted(attempt.signal);
  }
}

function countProven({ projects }: ReindexCheckpoint): number {
  return projects.filter(({ proof }) => proof !== null).length;
}

const SAMPLE = 10;
/** A vector that finds itself scores 1; an approximate index with shortened numbers, slightly less. */
const LEAST_SCORE = 0.999;
/** Items with the same text have the same vector: up to this many may rank before the one searched for. */
const NEIGHBOURS = 50;

/**
 * Searches a namespace with a sample of its vectors, spread over the list, and counts those that find themselves. A vector
 * that is listed but cannot be fetched counts as not found.
 */
export async function searchSample(
  index: VectorIndex,
  namespace: string,
  ids: readonly string[],
): Promise<{ readonly sampled: number; readonly sampleFound: number }> {
  const step = Math.max(1, Math.floor(ids.length / SAMPLE));
  const chosen = ids.filter((_, at) => at % step === 0).slice(0, SAMPLE);
  const stored = (await index.fetch(namespace, chosen)).filter((vector) => vector !== null);
  const found = await Promise.all(stored.map(({ id, values }) => findsItself(index, namespace, id, values)));
  return { sampled: chosen.length, sampleFound: found.filter(Boolean).length };
}

async function findsItself(index: VectorIndex, namespace: string, id: string, values: Float32Array): Promise<boolean> {
  const matches = await index.query(namespace, values, NEIGHBOURS);
  const equals = matches.filter(({ score }) => score > LEAST_SCORE);
  return equals.some((match) => match.id === id) || equals.length === NEIGHBOURS;
}
