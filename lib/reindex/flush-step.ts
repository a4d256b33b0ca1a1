import type { Leg, StepOutcome } from '../runs/model.js';
import { enter, inputOf, stateOf, withProject, type ProjectState } from './checkpoint.js';
import { throwIfAborted, type ReindexPorts } from './context.js';
import { unlessRefused } from './refusal.js';

/**
 * Clears the namespaces of the scope, in mode `flush` alone. Each is noted as soon as it is empty, and nothing is
 * embedded before all are: a run that goes on after a death never clears what it has written.
 */
export async function flushStep(ports: ReindexPorts, leg: Leg): Promise<StepOutcome> {
  let state = stateOf(leg.run);
  const done = new Set(state.flushed);
  const isDue = ({ project, refused }: ProjectState): boolean => refused === null && !done.has(project);
  const due = inputOf(leg.run).mode === 'flush' ? state.projects.filter(isDue) : [];
  for (const entry of due) {
    const { project } = entry;
    const progress = { done: state.flushed.length, total: state.projects.length, unit: 'parts', bytes: 0 } as const;
    // Throws when another leg has taken over, which may have gone on to embed.
    await leg.save(state, progress);
    throwIfAborted(leg.signal);
    const cleared = await unlessRefused(() => ports.vectors.remove(project, 'all'));
    if ('refused' in cleared) state = withProject(state, { ...entry, refused: cleared.refused });
    else state = { ...state, flushed: [...state.flushed, project] };
  }
  return enter('embed', state, state.batches, ports.clock.now());
}
