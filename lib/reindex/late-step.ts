import pMap from 'p-map';
import type { Attempt, StepOutcome } from '../runs/model.js';
import { keepLocks, takeLocks } from '../soulcaster/locks.js';
import { cutBatches, OBJECTS_AT_ONCE, readBatch, storeBatches, withRange } from './batches.js';
import {
  continueLater,
  enterPhase,
  inputOf,
  newProject,
  type ProjectState,
  type ReindexCheckpoint,
  stateOf,
  withProject,
} from './checkpoint.js';
import { batchSize, type ReindexPorts, type ReindexSettings, throwIfAborted, type StepContext } from './context.js';
import { lockedProjects } from './embed-task.js';
import { addNewProjects, entryOf, type FoundProject, loadFound } from './find-step.js';
import { readClusters, withListed } from './lists.js';
import { type Batch, type ItemRef, itemsOnly } from './model.js';
import { findIds } from './namespace.js';
import { projectsOf } from './plan-step.js';
import { unlessRefused } from './refusal.js';

/**
 * Checks every project again after the plan has been embedded: items created in the meantime get additional batches, and
 * batches whose items have changed clusters are stored again to be reconciled.
 */
export async function lateStep({ ports, settings, attempt }: StepContext): Promise<StepOutcome> {
  const input = inputOf(attempt.run);
  let state = stateOf(attempt.run);
  await keepLocks(ports.redis, lockedProjects(input, state), attempt.run.id);
  const found = await loadFound(ports.store, state.chunks);
  await addNewProjects(ports.redis, found, input.scope, attempt.signal);
  let worked = false;
  for (const project of await projectsOf(ports, found, input)) {
    const known = state.projects.find((entry) => entry.project === project);
    // A retry is limited to the projects of its plan.
    if (known === undefined && input.retry !== null) continue;
    if (known?.lateDone === true || (known?.refused ?? null) !== null) continue;
    if (worked && attempt.timeIsUp())
      return continueLater(state, state.projects.filter(({ lateDone }) => lateDone).length);
    throwIfAborted(attempt.signal);
    const entry = known ?? newProject(project);
    if (known === undefined) {
      state = withProject(state, entry);
      // Saved before the locks are taken, so that the end of the run releases them in any case.
      await attempt.save(state, { done: 0, total: null, unit: 'items', bytes: 0 });
      await takeLocks(ports.redis, lockedProjects(input, { ...state, projects: [entry] }), attempt.run.id);
    }
    const before = state;
    const outcome = await unlessRefused(ports.vectors, async () =>
      findLate(ports, settings, attempt, before, {
        entry,
        found: await withListed(ports.redis, project, entryOf(found, project), itemsOnly(input.scope, project)),
        skipPresent: input.mode === 'missing',
      }),
    );
    state = 'refused' in outcome ? withProject(state, { ...entry, refused: outcome.refused }) : outcome.done;
    const done = state.projects.filter(({ lateDone }) => lateDone).length;
    await attempt.save(state, { done, total: null, unit: 'items', bytes: 0 });
    worked = true;
  }
  return enterPhase('late', state, state.lateBatches, ports.clock.now());
}

interface LateContext {
  readonly entry: ProjectState;
  readonly found: FoundProject;
  /** Whether items that already have a vector are skipped. */
  readonly skipPresent: boolean;
}

async function findLate(
  ports: ReindexPorts,
  settings: ReindexSettings,
  attempt: Attempt,
  state: ReindexCheckpoint,
  { entry, found, skipPresent }: LateContext,
): Promise<ReindexCheckpoint> {
  const { project } = entry;
  const { clusterOf } = await readClusters(ports.redis, project, found.clusters, found.items);
  const known = new Set<string>();
  const recast: (readonly [number, Batch])[] = [];
  await forEachPlannedBatch(ports, attempt, state, entry, (number, batch) => {
    for (const [id] of batch.items) known.add(id);
    const items = batch.items.map(([id]): [string, string] => [id, clusterOf.get(id) ?? '']);
    if (items.some(([, cluster], at) => cluster !== batch.items[at]?.[1])) recast.push([number, { project, items }]);
  });
  if (skipPresent) {
    const only = itemsOnly(inputOf(attempt.run).scope, project);
    for (const id of await findIds(ports.vectors, project, only)) known.add(id);
  }
  const late = [...found.items].filter((id) => !known.has(id)).map((id): ItemRef => [id, clusterOf.get(id) ?? '']);
  const first = state.lateBatches;
  const batches = cutBatches(project, late, batchSize(ports.embedder, settings));
  const numbered = batches.map((batch, at) => [first + at, batch] as const);
  await storeBatches(ports.store, attempt.run.id, 'late', attempt.fence, numbered);
  await storeBatches(ports.store, attempt.run.id, 'settle', attempt.fence, recast);
  const seen = { ...entry, late: late.length, lateFirst: first, lateBatches: batches.length, lateDone: true };
  return {
    ...withProject(state, seen),
    lateBatches: first + batches.length,
    lateRanges: withRange(state.lateRanges, first, attempt.fence),
    recast: [...state.recast, ...recast.map(([number]): [number, number] => [number, attempt.fence])],
  };
}

async function forEachPlannedBatch(
  { store }: ReindexPorts,
  attempt: Attempt,
  state: ReindexCheckpoint,
  { first, batches }: ProjectState,
  onBatch: (number: number, batch: Batch) => void,
): Promise<void> {
  const numbers = Array.from({ length: batches }, (_, at) => first + at);
  await pMap(numbers, async (number) => onBatch(number, await readBatch(store, attempt.run, state, 'embed', number)), {
    concurrency: OBJECTS_AT_ONCE,
  });
}
