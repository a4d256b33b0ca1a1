import type { StepOutcome } from '../runs/model.js';
import { keepLocks } from '../soulcaster/locks.js';
import {
  enter,
  inputOf,
  later,
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
import { embedMissing, goneOf, removeStrays, type MendWork } from './mend.js';
import { addSpent, isRefusal, MOST_NAMED, type Skipped, type SkipReason } from './model.js';
import { idsOf } from './namespace.js';
import { projectsOf } from './plan-step.js';
import { skippedBy } from './results.js';
import { searchSample } from './sample.js';

/** How often what came up or went away meanwhile is put right before it counts against the proof. */
const ROUNDS = 3;
/** The number of pending writes may stay the same for so many looks before it is no longer waited for. */
const PENDING_LOOKS = 60;
const PENDING_MS = 1_000;

/** Compares each namespace with the database as the last SCAN found it, and searches it with its own vectors. */
export async function proveStep(work: MendWork): Promise<StepOutcome> {
  const { ports, leg } = work;
  let state = stateOf(leg.run);
  if (provenIn(state) === 0) state = { ...state, odd: [] };
  await keepLocks(ports.redis, lockedProjects(state), leg.run.id);
  const found = await loadFound(ports.store, state.chunks);
  const skipped = await skippedBy(leg);
  let worked = false;
  for (const project of await projectsOf(ports, found, inputOf(leg.run).scope)) {
    const entry = state.projects.find((one) => one.project === project) ?? newProject(project);
    if (entry.proof !== null || entry.refused !== null) continue;
    if (worked && leg.timeIsUp()) return later(state, provenIn(state));
    throwIfAborted(leg.signal);
    const waited = await waitForIndex(work, project, () => leg.timeIsUp());
    state = { ...state, seen: state.seen + waited.looks };
    // Each look is progress: the index works, and the next attempt waits on.
    if (waited.isFalling) return later(state, provenIn(state) + state.seen);
    const before = state;
    const proving = await unlessRefused(() =>
      proveProject(work, before, entry, of(found, project), new Map(skipped.get(project))),
    );
    state = 'done' in proving ? proving.done : withProject(state, { ...entry, refused: proving.refused });
    await leg.save(state, { done: provenIn(state), total: null, unit: 'items', bytes: 0 });
    worked = true;
  }
  return enter('report', state, 0, ports.clock.now());
}

interface Standing {
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
  const { ports, leg } = work;
  const { project } = first;
  const mayRemove = inputOf(leg.run).mode !== 'missing';
  const odd: Skipped[] = [...found.odd]
    .filter(([id]) => !skipped.has(id))
    .map(([id, reason]) => ({ project, id, reason }));
  let [entry, spent, standing] = [first, before.spent, await compare(work, project, found.items, skipped)];
  for (let round = 0; round < ROUNDS && standing.missing.length + standing.strays.length > 0; round++) {
    const mended = await embedMissing(work, project, standing.missing, found);
    const { strays, born } = await removeStrays(ports, project, standing.strays, mayRemove);
    for (const id of mended.gone) found.items.delete(id);
    for (const id of born) found.items.add(id);
    for (const [id, reason] of mended.skipped) {
      skipped.set(id, reason);
      odd.push({ project, id, reason });
    }
    spent = addSpent(spent, mended.spent);
    const swept = entry.swept + (mayRemove ? strays.length : 0);
    entry = { ...entry, topUp: entry.topUp + mended.embedded.length, swept };
    standing = await compare(work, project, found.items, skipped);
  }
  const proof = await proofOf(work, project, standing, skipped);
  const next = withProject(before, { ...entry, items: standing.items.size, odd: odd.length, proof });
  return { ...next, spent, odd: [...next.odd, ...odd].slice(0, MOST_NAMED) };
}

async function compare(
  { ports }: MendWork,
  project: string,
  items: Set<string>,
  skipped: ReadonlyMap<string, SkipReason>,
): Promise<Standing> {
  const ids = await idsOf(ports.vectors, project);
  // Deleted since the last SCAN: it costs one command to see that, as a rule.
  for (const id of await goneOf(ports.redis, project, [...ids])) items.delete(id);
  return {
    items,
    ids,
    missing: [...items].filter((id) => !ids.has(id) && !skipped.has(id)),
    strays: [...ids].filter((id) => !items.has(id)),
  };
}

async function proofOf(
  { ports, leg }: MendWork,
  project: string,
  { items, ids, missing, strays }: Standing,
  skipped: ReadonlyMap<string, SkipReason>,
): Promise<NonNullable<ProjectState['proof']>> {
  // What was put right just now is a handful of writes.
  const { pending } = await waitForIndex({ ports, leg }, project, () => leg.timeIsUp());
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
  { ports, leg }: Pick<MendWork, 'ports' | 'leg'>,
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
    if (pending === 0 || since >= PENDING_LOOKS) return { pending, looks, isFalling: false };
    if (isOver()) return { pending, looks, isFalling: true };
    await ports.clock.sleep(PENDING_MS, leg.signal);
    throwIfAborted(leg.signal);
  }
}

function provenIn({ projects }: ReindexCheckpoint): number {
  return projects.filter(({ proof }) => proof !== null).length;
}
