import type { Json } from '../json.js';
import type { RunFailure, StepOutcome } from '../runs/model.js';
import {
  withFindings,
  withProject,
  type ProjectPlan,
  type ProjectState,
  type ReindexCheckpoint,
} from './checkpoint.js';
import { batchSize, throwIfAborted, type ReindexPorts, type ReindexSettings } from './context.js';
import { forecast, estimateCost } from './forecast.js';
import { readItems } from './items.js';
import { addSpent, MOST_NAMED, type ReindexInput, type Skipped } from './model.js';
import { pages } from './namespace.js';
import { describeRefusedNamespaces } from './report-step.js';

/** Reads the items of a project as a run would, to count items that cannot be embedded and the amount of text. */
export async function measureProject(
  ports: ReindexPorts,
  settings: ReindexSettings,
  state: ReindexCheckpoint,
  plan: ProjectPlan,
  signal: AbortSignal,
): Promise<ReindexCheckpoint> {
  const { entry, items } = plan;
  const skipped: Skipped[] = [...plan.odd];
  let spent = { calls: 0, texts: 0, characters: 0 };
  for (const page of pages(items, batchSize(ports.embedder, settings))) {
    throwIfAborted(signal);
    const read = await readItems(ports.redis, entry.project, page, settings.cutCodePoints);
    let characters = 0;
    let texts = 0;
    for (const [index, item] of read.entries()) {
      if (item === 'gone') continue;
      if ('skip' in item) skipped.push({ project: entry.project, id: page[index]?.[0] ?? '', reason: item.skip });
      else [texts, characters] = [texts + 1, characters + item.text.length];
    }
    spent = addSpent(spent, { calls: texts > 0 ? 1 : 0, texts, characters });
  }
  const measured = { ...entry, planned: spent.texts, odd: skipped.length };
  const next = withFindings(withProject(state, measured), { ...plan, odd: skipped });
  return { ...next, spent: addSpent(state.spent, spent) };
}

/** Ends a dry run with a report of what a run would do. */
export function endDryRun(
  ports: ReindexPorts,
  settings: ReindexSettings,
  input: ReindexInput,
  state: ReindexCheckpoint,
): StepOutcome {
  const { projects, conflicts, odd, spent, startedAt } = state;
  const total = (field: 'items' | 'planned' | 'present' | 'strays' | 'conflicts' | 'odd'): number =>
    projects.reduce((sum, entry) => sum + entry[field], 0);
  const price = estimateCost(ports.embedder, spent.characters);
  const result = {
    ...input,
    projects: projects.map(
      ({ project, items, planned, unchanged, present, strays, conflicts: several, odd: skips, refused }) => ({
        project,
        items,
        toEmbed: planned,
        present,
        unchanged,
        strays: input.mode === 'missing' ? 0 : strays,
        conflicts: several,
        skipped: skips,
        refused,
      }),
    ),
    items: total('items'),
    toEmbed: total('planned'),
    present: total('present'),
    strays: input.mode === 'missing' ? 0 : total('strays'),
    skipped: { count: total('odd'), named: odd.slice(0, MOST_NAMED) },
    conflicts: { count: total('conflicts'), named: conflicts },
    calls: spent.calls,
    ...price,
    forecast: forecast(
      { texts: total('planned'), tokens: price.tokens, updates: total('planned') },
      { ...ports.embedder.limits, updatesPerDay: settings.updatesPerDay },
    ),
    milliseconds: ports.clock.now() - startedAt,
  };
  const refusedProjects = projects.filter(({ refused }) => refused !== null);
  return {
    to: 'end',
    state: refusedProjects.length === 0 ? 'succeeded' : 'incomplete',
    result: result as unknown as Json,
    error: refusedProjects.length === 0 ? null : incompletePlanFailure(refusedProjects),
  };
}

/** A namespace that the index refuses to list cannot be planned, and a run could not re-index it. */
function incompletePlanFailure(refusedProjects: readonly ProjectState[]): RunFailure {
  return {
    code: 'incomplete',
    message: `Everything else is planned, but ${describeRefusedNamespaces(refusedProjects)}`,
    hint: 'A re-index would do everything else. Fix the cause of the refusal (the token, or the name of the namespace) and plan again.',
  };
}
