import type { Leg, StepOutcome } from '../runs/model.js';
import { takeLocks } from '../soulcaster/locks.js';
import { cutBatches, storeBatches, withRange } from './batches.js';
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
import { batchSize, throwIfAborted, type ReindexPorts, type ReindexSettings } from './context.js';
import { endDryRun, weighProject } from './dry-run.js';
import { lockedProjects } from './embed-task.js';
import { readClusters } from './find/clusters.js';
import { loadFound, of, type Found, type FoundProject } from './find/found.js';
import { MOST_NAMED, type Conflict, type ItemRef, type ReindexMode, type Skipped } from './model.js';
import { isSameModel, loadIndexModel, refuseMixture, sampleModel } from './index-model.js';
import { idsOf, namespacesOf } from './namespace.js';
import { unlessRefused } from './refusal.js';

/** Cuts the items of each project into batches, one project after the other; a dry run only counts and ends here. */
export async function planStep(ports: ReindexPorts, settings: ReindexSettings, leg: Leg): Promise<StepOutcome> {
  const input = inputOf(leg.run);
  let state = stateOf(leg.run);
  const found = await loadFound(ports.store, state.chunks);
  const planned = new Set(state.projects.map(({ project }) => project));
  let worked = false;
  for (const project of await projectsOf(ports, found, input.scope)) {
    if (planned.has(project)) continue;
    if (worked && leg.timeIsUp()) return later(state, itemsIn(state));
    throwIfAborted(leg.signal);
    const planning = await unlessRefused(() =>
      planProject(ports, settings, input.mode, project, of(found, project), leg.signal),
    );
    if ('refused' in planning) {
      const { items } = of(found, project);
      state = withProject(state, newProject(project, { items: items.size, refused: planning.refused }));
    } else {
      state = input.dryRun
        ? await weighProject(ports, settings, state, planning.done, leg.signal)
        : await writePlan(ports, settings, leg, state, planning.done);
    }
    await leg.save(state, { done: itemsIn(state), total: null, unit: 'items', bytes: 0 });
    worked = true;
  }
  if (input.dryRun) return endDryRun(ports, input, state);
  const locksTaken = await takeLocks(ports.redis, lockedProjects(state), leg.run.id);
  return enter('flush', { ...state, locksTaken }, 0, ports.clock.now());
}

/** What is to be done with one project. */
export interface ProjectPlan {
  readonly entry: ProjectState;
  /** Every item that is to be embedded. */
  readonly items: readonly ItemRef[];
  readonly conflicts: readonly Conflict[];
  readonly odd: readonly Skipped[];
}

/** Projects in order: those of the database and, since their items may all be gone, those of the index. */
export async function projectsOf(
  { vectors }: Pick<ReindexPorts, 'vectors'>,
  found: Found,
  scope: Parameters<typeof namespacesOf>[1],
): Promise<string[]> {
  return [...new Set([...found.keys(), ...(await namespacesOf(vectors, scope))])].sort();
}

async function planProject(
  ports: ReindexPorts,
  settings: ReindexSettings,
  mode: ReindexMode,
  project: string,
  { items, odd, clusters }: FoundProject,
  signal: AbortSignal,
): Promise<ProjectPlan> {
  const { clusterOf, conflicts } = await readClusters(ports.redis, project, clusters, items);
  const present = await idsOf(ports.vectors, project);
  const before = await modelBefore(ports, settings, mode, project, items, present, signal);
  const due = mode === 'missing' ? [...items].filter((id) => !present.has(id)) : [...items];
  const entry = newProject(project, {
    items: items.size,
    planned: due.length,
    unchanged: items.size - due.length,
    odd: odd.size,
    conflicts: conflicts.length,
    present: present.size,
    strays: [...present].filter((id) => !items.has(id)).length,
    before,
  });
  return {
    entry,
    items: due.map((id) => [id, clusterOf.get(id) ?? '']),
    conflicts,
    odd: [...odd].map(([id, reason]) => ({ project, id, reason })),
  };
}

/**
 * Whether the vectors that are there are of the model that embeds now. Throws `vector-mismatch` in mode `missing` when
 * they are not: the new ones would stand beside them.
 */
async function modelBefore(
  ports: ReindexPorts,
  settings: ReindexSettings,
  mode: ReindexMode,
  project: string,
  items: ReadonlySet<string>,
  present: ReadonlySet<string>,
  signal: AbortSignal,
): Promise<ProjectState['before']> {
  if (mode === 'flush' || present.size === 0) return 'none';
  const { model } = ports.embedder;
  const known = await loadIndexModel(ports.store, project);
  const both = [...present].filter((id) => items.has(id));
  const before =
    known === null
      ? await sampleModel(ports, settings, project, both, signal)
      : isSameModel(known, model, settings)
        ? 'same'
        : 'other';
  if (mode === 'missing' && before === 'other') throw refuseMixture(project, known, model);
  return before;
}

/** A checkpoint that names what is odd about a project, as far as there is room. */
export function withFindings(state: ReindexCheckpoint, { conflicts, odd }: ProjectPlan): ReindexCheckpoint {
  return {
    ...state,
    conflicts: [...state.conflicts, ...conflicts].slice(0, MOST_NAMED),
    odd: [...state.odd, ...odd].slice(0, MOST_NAMED),
  };
}

async function writePlan(
  ports: ReindexPorts,
  settings: ReindexSettings,
  leg: Leg,
  state: ReindexCheckpoint,
  plan: ProjectPlan,
): Promise<ReindexCheckpoint> {
  const first = state.batches;
  const batches = cutBatches(plan.entry.project, plan.items, batchSize(settings));
  const numbered = batches.map((batch, at) => [first + at, batch] as const);
  await storeBatches(ports.store, leg.run.id, 'embed', leg.fence, numbered);
  const entry = { ...plan.entry, first, batches: batches.length };
  const next = withFindings(withProject(state, entry), plan);
  return { ...next, batches: first + batches.length, ranges: withRange(state.ranges, first, leg.fence) };
}

function itemsIn({ projects }: ReindexCheckpoint): number {
  return projects.reduce((sum, { items }) => sum + items + 1, 0);
}
