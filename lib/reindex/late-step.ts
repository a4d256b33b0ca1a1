import pMap from 'p-map';
import type { Leg, StepOutcome } from '../runs/model.js';
import { keepLocks, takeLocks } from '../soulcaster/locks.js';
import { cutBatches, OBJECTS_AT_ONCE, readBatch, storeBatches, withRange } from './batches.js';
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
import { lockedProjects } from './embed-task.js';
import { readClusters } from './find/clusters.js';
import { loadFound, of, type FoundProject } from './find/found.js';
import type { Batch, ItemRef } from './model.js';
import { idsOf } from './namespace.js';
import { projectsOf } from './plan-step.js';
import { unlessRefused } from './refusal.js';

/**
 * Looks at every project again when the plan has been embedded: items that came up meanwhile get batches of their own,
 * and batches whose items have changed clusters are written anew for the settling.
 */
export async function lateStep(ports: ReindexPorts, settings: ReindexSettings, leg: Leg): Promise<StepOutcome> {
  const { scope, mode } = inputOf(leg.run);
  let state = stateOf(leg.run);
  await keepLocks(ports.redis, lockedProjects(state), leg.run.id);
  const found = await loadFound(ports.store, state.chunks);
  let worked = false;
  for (const project of await projectsOf(ports, found, scope)) {
    const known = state.projects.find((entry) => entry.project === project);
    if (known?.lateDone === true || (known?.refused ?? null) !== null) continue;
    if (worked && leg.timeIsUp()) return later(state, state.projects.filter(({ lateDone }) => lateDone).length);
    throwIfAborted(leg.signal);
    if (known === undefined && project !== '') await takeLocks(ports.redis, [project], leg.run.id);
    const entry = known ?? newProject(project);
    const before = state;
    const looked = await unlessRefused(() =>
      lookAgain(ports, settings, leg, before, {
        entry,
        found: of(found, project),
        mayBePresent: mode === 'missing',
      }),
    );
    state = 'refused' in looked ? withProject(state, { ...entry, refused: looked.refused }) : looked.done;
    const done = state.projects.filter(({ lateDone }) => lateDone).length;
    await leg.save(state, { done, total: null, unit: 'items', bytes: 0 });
    worked = true;
  }
  return enter('late', state, state.lateBatches, ports.clock.now());
}

interface Look {
  readonly entry: ProjectState;
  readonly found: FoundProject;
  /** Whether items that have a vector are not to be embedded. */
  readonly mayBePresent: boolean;
}

async function lookAgain(
  ports: ReindexPorts,
  settings: ReindexSettings,
  leg: Leg,
  state: ReindexCheckpoint,
  { entry, found, mayBePresent }: Look,
): Promise<ReindexCheckpoint> {
  const { project } = entry;
  const { clusterOf } = await readClusters(ports.redis, project, found.clusters, found.items);
  const known = new Set<string>();
  const recast: (readonly [number, Batch])[] = [];
  await eachPlanned(ports, leg, state, entry, (number, batch) => {
    for (const [id] of batch.items) known.add(id);
    const items = batch.items.map(([id]): [string, string] => [id, clusterOf.get(id) ?? '']);
    if (items.some(([, cluster], at) => cluster !== batch.items[at]?.[1])) recast.push([number, { project, items }]);
  });
  if (mayBePresent) for (const id of await idsOf(ports.vectors, project)) known.add(id);
  const late = [...found.items].filter((id) => !known.has(id)).map((id): ItemRef => [id, clusterOf.get(id) ?? '']);
  const first = state.lateBatches;
  const batches = cutBatches(project, late, batchSize(settings));
  const numbered = batches.map((batch, at) => [first + at, batch] as const);
  await storeBatches(ports.store, leg.run.id, 'late', leg.fence, numbered);
  await storeBatches(ports.store, leg.run.id, 'settle', leg.fence, recast);
  const seen = { ...entry, late: late.length, lateFirst: first, lateBatches: batches.length, lateDone: true };
  return {
    ...withProject(state, seen),
    lateBatches: first + batches.length,
    lateRanges: withRange(state.lateRanges, first, leg.fence),
    recast: [...state.recast, ...recast.map(([number]): [number, number] => [number, leg.fence])],
  };
}

async function eachPlanned(
  { store }: ReindexPorts,
  leg: Leg,
  state: ReindexCheckpoint,
  { first, batches }: ProjectState,
  see: (number: number, batch: Batch) => void,
): Promise<void> {
  const numbers = Array.from({ length: batches }, (_, at) => first + at);
  await pMap(numbers, async (number) => see(number, await readBatch(store, leg.run, state, 'embed', number)), {
    concurrency: OBJECTS_AT_ONCE,
  });
}
