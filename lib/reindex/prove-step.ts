import { AppError } from '../errors.js';
import type { StepOutcome } from '../runs/model.js';
import { keepLocks } from '../soulcaster/locks.js';
import {
  enter,
  inputOf,
  later,
  mostTelling,
  newProject,
  stateOf,
  withProject,
  type ProjectState,
  type ReindexCheckpoint,
} from './checkpoint.js';
import { throwIfAborted } from './context.js';
import { unlessRefused } from './refusal.js';
import { lockedProjects } from './embed-task.js';
import { loadFound, of, type FoundProject } from './find/found.js';
import { withListed } from './find/listed.js';
import { embedMissing, goneOf, removeStrays, type MendWork } from './mend.js';
import { addSpent, isRefusal, itemsOnly, type Skipped, type SkipReason } from './model.js';
import { idsIn } from './namespace.js';
import { projectsOf } from './plan-step.js';
import { skippedBy } from './results.js';
import { searchSample } from './sample.js';

/** How often what came up or went away meanwhile is put right before it counts against the proof. */
const ROUNDS = 3;
/** The number of pending writes may stay the same for this many looks before it is no longer waited for. */
const PENDING_POLLS = 60;
const PENDING_MS = 1_000;

/** Compares each namespace with the items of the walk and of the project's lists, removes vectors without an item, and searches it with its own vectors. */
export async function proveStep(work: MendWork): Promise<StepOutcome> {
  const { ports, attempt } = work;
  const input = inputOf(attempt.run);
  let state = stateOf(attempt.run);
  if (provenIn(state) === 0) state = { ...state, odd: [] };
  await keepLocks(ports.redis, lockedProjects(input, state), attempt.run.id);
  const found = await loadFound(ports.store, state.chunks);
  const skipped = await skippedBy(attempt);
  let worked = false;
  for (const project of await projectsOf(ports, found, input)) {
    const known = state.projects.find((one) => one.project === project);
    if (known === undefined && input.retry !== null) continue;
    const entry = known ?? newProject(project);
    if (entry.proof !== null || entry.refused !== null) continue;
    if (worked && attempt.timeIsUp()) return later(state, provenIn(state));
    throwIfAborted(attempt.signal);
    const waited = await waitForIndex(work, project, () => attempt.timeIsUp());
    state = { ...state, seen: state.seen + waited.looks };
    // Each look is progress: the index works, and the next attempt waits on.
    if (waited.isFalling) return later({ ...state, pendingSince: null }, provenIn(state) + state.seen);
    if (waited.pending > 0) await sleepOverPending(work, state, waited);
    state = { ...state, pendingSince: null };
    const before = state;
    const proving = await unlessRefused(ports.vectors, async () => {
      const now = await withListed(ports.redis, project, of(found, project), itemsOnly(input.scope, project));
      return proveProject(work, before, entry, now, new Map(skipped.get(project)));
    });
    state = 'done' in proving ? proving.done : withProject(state, { ...entry, refused: proving.refused });
    await attempt.save(state, { done: provenIn(state), total: null, unit: 'items', bytes: 0 });
    worked = true;
  }
  return enter(input.beside === null ? 'report' : 'compare', state, 0, ports.clock.now());
}

/** An index that shows nothing more for so long is given up. */
const MOST_PENDING_MS = 24 * 3_600_000;
const SLEEP_MS = 10 * 60_000;

/**
 * Has the run wait, as for a daily limit, when the index shows nothing more of what was written: the queue wakes it, or
 * the guard does. Within one process nobody would, and an index that stays so for a day is what it is: then it is proven
 * as far as can be.
 */
async function sleepOverPending({ attempt, ports, settings }: MendWork, state: ReindexCheckpoint, { pending }: Waited) {
  const now = ports.clock.now();
  const since = state.pendingSince ?? now;
  if (settings.patience || now - since >= MOST_PENDING_MS) return;
  await attempt.save(
    { ...state, pendingSince: since },
    { done: provenIn(state), total: null, unit: 'items', bytes: 0 },
  );
  throw new AppError('vector-pending', `The index has ${pending} writes pending, and the number does not fall`, {
    hint: 'Nothing to do: all is stored, and the proof is made when the index shows it. See its state in the Upstash console.',
    retryAfterMs: SLEEP_MS,
  });
}

interface NamespaceState {
  /** Ids of the namespace whose key is not there. */
  readonly gone: ReadonlySet<string>;
  readonly items: Set<string>;
  readonly ids: ReadonlySet<string>;
  readonly missing: readonly string[];
  readonly strays: readonly string[];
}

async function proveProject(
  work: MendWork,
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
  let [entry, spent, standing] = [first, before.spent, await compareWithItems(work, project, found.items, skipped)];
  for (let round = 0; round < ROUNDS && standing.missing.length + standing.strays.length > 0; round++) {
    const mended = await embedMissing(work, project, standing.missing, found);
    const { strays, born } = await removeStrays(ports, project, standing.strays, standing.gone, mayRemove);
    for (const id of mended.gone) found.items.delete(id);
    for (const id of born) found.items.add(id);
    for (const [id, reason] of mended.skipped) {
      skipped.set(id, reason);
      odd.push({ project, id, reason });
    }
    spent = addSpent(spent, mended.spent);
    const swept = entry.swept + (mayRemove ? strays.length : 0);
    entry = { ...entry, topUp: entry.topUp + mended.embedded.length, swept };
    standing = await compareWithItems(work, project, found.items, skipped);
  }
  const proof = await proofOf(work, project, standing, skipped);
  const next = withProject(before, { ...entry, items: standing.items.size, odd: odd.length, proof });
  return { ...next, spent, odd: mostTelling([...next.odd, ...odd]) };
}

/** How the namespace stands to the items, of which those that are gone are taken out. */
export async function compareWithItems(
  { attempt, ports }: Pick<MendWork, 'attempt' | 'ports'>,
  project: string,
  items: Set<string>,
  skipped: ReadonlyMap<string, SkipReason>,
): Promise<NamespaceState> {
  const ids = await idsIn(ports.vectors, project, itemsOnly(inputOf(attempt.run).scope, project));
  // Deleted since the walk: it costs one command to see that, as a rule.
  const gone = new Set(await goneOf(ports.redis, project, [...ids]));
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
  { ports, attempt }: MendWork,
  project: string,
  { items, ids, missing, strays }: NamespaceState,
  skipped: ReadonlyMap<string, SkipReason>,
): Promise<NonNullable<ProjectState['proof']>> {
  // What was put right just now is a handful of writes.
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
  /** Writes that queries do not see yet. */
  readonly pending: number;
  readonly looks: number;
  /** Whether the waiting was broken off by `isOver` while the number was still falling. */
  readonly isFalling: boolean;
}

/** Waits until queries see every write, as long as the number of those that they do not see falls. */
async function waitForIndex(
  { ports, attempt }: Pick<MendWork, 'ports' | 'attempt'>,
  project: string,
  isOver: () => boolean,
): Promise<Waited> {
  let lowest = Number.POSITIVE_INFINITY;
  let since = 0;
  for (let looks = 1; ; looks++) {
    const { namespaces } = await ports.vectors.info();
    const pending = namespaces[project]?.pending ?? 0;
    since = pending < lowest ? 0 : since + 1;
    lowest = Math.min(lowest, pending);
    if (pending === 0 || since >= PENDING_POLLS) return { pending, looks, isFalling: false };
    if (isOver()) return { pending, looks, isFalling: true };
    await ports.clock.sleep(PENDING_MS, attempt.signal);
    throwIfAborted(attempt.signal);
  }
}

function provenIn({ projects }: ReindexCheckpoint): number {
  return projects.filter(({ proof }) => proof !== null).length;
}
