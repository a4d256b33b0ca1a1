import type { Attempt, StepOutcome } from '../runs/model.js';
import { enter, inputOf, stateOf, withProject, type ProjectState, type ReindexCheckpoint } from './checkpoint.js';
import { throwIfAborted, type ReindexPorts } from './context.js';
import { labelOf, noteModels, type NamespaceModel } from '../soulcaster/index-models.js';
import { unlessRefused } from './refusal.js';

/**
 * Clears the namespaces of the scope, in mode `flush` alone. Each is noted as soon as it is empty, and nothing is
 * embedded before all are: a run that continues after a death never clears what it has written.
 */
export async function flushStep(ports: ReindexPorts, attempt: Attempt): Promise<StepOutcome> {
  let state = stateOf(attempt.run);
  const done = new Set(state.flushed);
  const isDue = ({ project, refused }: ProjectState): boolean => refused === null && !done.has(project);
  const due = inputOf(attempt.run).mode === 'flush' ? state.projects.filter(isDue) : [];
  for (const entry of due) {
    const { project } = entry;
    const progress = { done: state.flushed.length, total: state.projects.length, unit: 'parts', bytes: 0 } as const;
    // Throws when another attempt has taken over, which may have gone on to embed.
    await attempt.save(state, progress);
    throwIfAborted(attempt.signal);
    const cleared = await unlessRefused(ports.vectors, () => ports.vectors.remove(project, 'all'));
    if ('refused' in cleared) state = withProject(state, { ...entry, refused: cleared.refused });
    else state = { ...state, flushed: [...state.flushed, project] };
  }
  await noteBegun(ports, attempt, state);
  return enter('embed', state, state.batches, ports.clock.now());
}

/**
 * Notes what the vectors will be made with, before the first one is written: a run that does not end leaves some of
 * another model behind where it did not clear, and nobody may add to those.
 */
async function noteBegun(
  ports: ReindexPorts,
  attempt: Attempt,
  { flushed, projects }: ReindexCheckpoint,
): Promise<void> {
  const { mode, scope } = inputOf(attempt.run);
  // A few items say nothing of the rest of their namespace.
  if ('items' in scope) return;
  const cleared = new Set(flushed);
  const facts = { ...ports.vectors.place, ...ports.recipe, provenAt: null, run: attempt.run.id };
  const news = projects.flatMap(({ project, before, planned, refused }): NamespaceModel[] => {
    if (refused !== null || planned === 0 || before === 'recorded') return [];
    if (mode === 'missing' && before !== 'none') return [];
    const mixed = !cleared.has(project) && (before === 'other' || before === 'unknown');
    return [{ ...facts, project: labelOf(project), mixed }];
  });
  await noteModels(ports.store, news);
}
