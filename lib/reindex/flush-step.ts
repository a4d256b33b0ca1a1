import { counted } from '../formats.js';
import type { Attempt, RunRecord, StepOutcome } from '../runs/model.js';
import { labelOf, type NamespaceModel, saveModels } from '../soulcaster/index-models.js';
import { enterPhase, inputOf, type ProjectState, type ReindexCheckpoint, stateOf, withProject } from './checkpoint.js';
import { type ReindexPorts, throwIfAborted, type StepContext } from './context.js';
import { retryCommand } from './model.js';
import { unlessRefused } from './refusal.js';

/** The most projects that a message names. */
const MOST_NAMED = 10;

/**
 * Clears the namespaces of the scope, in mode `flush` only. Each is recorded as soon as it is empty, and nothing is embedded
 * before all are empty: a run that continues after a dead attempt never clears what it has written.
 */
export async function flushStep({ ports, attempt }: StepContext): Promise<StepOutcome> {
  let state = stateOf(attempt.run);
  const done = new Set(state.flushed);
  const isDue = ({ project, refused }: ProjectState): boolean => refused === null && !done.has(project);
  const due = inputOf(attempt.run).mode === 'flush' ? state.projects.filter(isDue) : [];
  for (const entry of due) {
    const { project } = entry;
    const progress = { done: state.flushed.length, total: state.projects.length, unit: 'parts', bytes: 0 } as const;
    // Throws when another attempt has taken over, which may already be embedding.
    await attempt.save(state, progress);
    throwIfAborted(attempt.signal);
    const cleared = await unlessRefused(ports.vectors, () => ports.vectors.remove(project, 'all'));
    if ('refused' in cleared) state = withProject(state, { ...entry, refused: cleared.refused });
    else state = { ...state, flushed: [...state.flushed, project] };
  }
  await saveStartedModels(ports, attempt, state);
  return enterPhase('embed', state, state.batches, ports.clock.now());
}

/**
 * Records the recipe of the vectors before the first one is written: if the run does not finish, a namespace that was not
 * cleared may hold vectors of two models, and no later run may add to it.
 */
async function saveStartedModels(
  ports: ReindexPorts,
  attempt: Attempt,
  { flushed, projects }: ReindexCheckpoint,
): Promise<void> {
  const { mode, scope } = inputOf(attempt.run);
  // A few items do not show the recipe of the rest of their namespace.
  if ('items' in scope) return;
  const cleared = new Set(flushed);
  const facts = { ...ports.vectors.place, ...ports.recipe, provenAt: null, run: attempt.run.id };
  const models = projects.flatMap(({ project, before, planned, refused }): NamespaceModel[] => {
    if (refused !== null || planned === 0 || before === 'recorded') return [];
    if (mode === 'missing' && before !== 'none') return [];
    const mixed = !cleared.has(project) && (before === 'other' || before === 'unknown');
    return [{ ...facts, project: labelOf(project), mixed }];
  });
  await saveModels(ports.store, models);
}

/** What a run leaves that ends after it began to clear: projects with fewer vectors than items, and how to finish. Null: nothing. */
export function clearedWords(run: RunRecord): string | null {
  const { beside, mode } = inputOf(run);
  // Vectors that are built beside the index are not searched yet.
  if (mode !== 'flush' || beside !== null) return null;
  const { flushed, projects } = stateOf(run);
  const isClearing = run.phase === 'flush';
  const left = projects.filter(({ project, proof }) => proof === null && (isClearing || flushed.includes(project)));
  if (left.length === 0) return null;
  const named = left.slice(0, MOST_NAMED).map(({ project }) => project);
  const more = left.length > named.length ? [`and ${left.length - named.length} more`] : [];
  return `The run ${isClearing ? 'was removing' : 'has removed'} all vectors of ${counted(left.length, 'project')} (${[...named, ...more].join(', ')}), and search does not find items whose vectors are missing. To finish it: \`${retryCommand(run.id)}\`.`;
}
