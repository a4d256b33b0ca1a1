import type { VectorIndex } from '../ports/vector-index.js';
import type { Attempt, StepOutcome } from '../runs/model.js';
import { enter, later, stateOf, type Comparison, type ProjectState } from './checkpoint.js';
import { throwIfAborted, type ReindexPorts } from './context.js';
import { idsOf } from './namespace.js';

/** Items of a project that are searched for. */
const QUERIES = 20;
const NEAREST = 10;

/**
 * Asks the old and the new vectors of a project for the nearest to some of its items, and counts what both name. It says
 * how much search will change, not which of the two is right.
 */
export async function compareStep(ports: ReindexPorts, old: VectorIndex, attempt: Attempt): Promise<StepOutcome> {
  let state = stateOf(attempt.run);
  const done = new Set(state.compared.map(({ project }) => project));
  const isDue = ({ project, proof }: ProjectState): boolean => !done.has(project) && (proof?.vectors ?? 0) > 0;
  let worked = false;
  for (const { project } of state.projects.filter(isDue)) {
    if (worked && attempt.timeIsUp()) return later(state, state.compared.length);
    throwIfAborted(attempt.signal);
    const compared = await compareProject(old, ports.vectors, project);
    state = { ...state, compared: [...state.compared, compared] };
    await attempt.save(state, { done: state.compared.length, total: null, unit: 'items', bytes: 0 });
    worked = true;
  }
  return enter('report', state, 0, ports.clock.now());
}

async function compareProject(old: VectorIndex, now: VectorIndex, project: string): Promise<Comparison> {
  const [before, after] = await Promise.all([idsOf(old, project), idsOf(now, project)]);
  const both = [...before].filter((id) => after.has(id));
  const step = Math.max(1, Math.floor(both.length / QUERIES));
  const chosen = both.filter((_, at) => at % step === 0).slice(0, QUERIES);
  const [there, here] = await Promise.all([nearestTo(old, project, chosen), nearestTo(now, project, chosen)]);
  const shares = there.flatMap((ids, at) => {
    const others = here[at];
    if (ids === null || others == null || ids.length === 0) return [];
    return [ids.filter((id) => others.includes(id)).length / Math.max(ids.length, others.length)];
  });
  const sum = shares.reduce((a, b) => a + b, 0);
  return {
    project,
    queries: shares.length,
    overlap: shares.length === 0 ? 0 : Number((sum / shares.length).toFixed(3)),
  };
}

/** Of each item the ids of its nearest, itself left out; null for one without a vector. */
async function nearestTo(index: VectorIndex, project: string, ids: readonly string[]): Promise<(string[] | null)[]> {
  const vectors = await index.fetch(project, ids);
  return Promise.all(
    vectors.map(async (vector) => {
      if (vector === null) return null;
      const matches = await index.query(project, vector.values, NEAREST + 1);
      return matches
        .map(({ id }) => id)
        .filter((id) => id !== vector.id)
        .slice(0, NEAREST);
    }),
  );
}
