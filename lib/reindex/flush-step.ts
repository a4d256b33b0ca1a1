import type { Leg, StepOutcome } from '../runs/model.js';
import { enter, inputOf, stateOf } from './checkpoint.js';
import { throwIfAborted, type ReindexPorts } from './context.js';

/**
 * Clears the namespaces of the scope, in mode `flush` alone. Each is noted as soon as it is empty, and nothing is
 * embedded before all are: a run that goes on after a death never clears what it has written.
 */
export async function flushStep(ports: ReindexPorts, leg: Leg): Promise<StepOutcome> {
  let state = stateOf(leg.run);
  const done = new Set(state.flushed);
  const due = inputOf(leg.run).mode === 'flush' ? state.projects.filter(({ project }) => !done.has(project)) : [];
  for (const { project } of due) {
    const progress = { done: state.flushed.length, total: state.projects.length, unit: 'parts', bytes: 0 } as const;
    // Throws when another leg has taken over, which may have gone on to embed.
    await leg.save(state, progress);
    throwIfAborted(leg.signal);
    await ports.vectors.remove(project, 'all');
    state = { ...state, flushed: [...state.flushed, project] };
  }
  return enter('embed', state, state.batches, ports.clock.now());
}
