import { AppError } from '../errors.js';
import type { VectorPage } from '../ports/vector-index.js';
import type { Attempt, StepOutcome } from '../runs/model.js';
import {
  type IndexModels,
  isSameRecipe,
  loadIndexModels,
  modelOf,
  saveBeside,
  suffixesBeside,
} from '../soulcaster/index-models.js';
import { takeLocks } from '../soulcaster/locks.js';
import { cutBatches, storeBatches, withRange } from './batches.js';
import {
  continueLater,
  enterPhase,
  inputOf,
  newProject,
  type ProjectPlan,
  type ProjectState,
  type ReindexCheckpoint,
  stateOf,
  withFindings,
  withProject,
} from './checkpoint.js';
import {
  batchSize,
  estimateTextTokens,
  type ReindexPorts,
  type ReindexSettings,
  throwIfAborted,
  type StepContext,
} from './context.js';
import { type EarlierPrints, findUnfinishedProjects, loadEarlierPrints } from './earlier.js';
import { hasMetadata, lockedProjects, savePartial } from './embed-task.js';
import { entryOf, type Found, type FoundProject, loadFound } from './find-step.js';
import { assertWithinOneDay, endDryRun, forecast, measureProject } from './forecast.js';
import { otherModelError, sampleModel, unknownModelError } from './index-model.js';
import { readItems } from './items.js';
import { readClusters } from './lists.js';
import { type ItemRef, itemsOnly, NOTHING_SPENT, type ReindexInput } from './model.js';
import { findIds, namespacesOf } from './namespace.js';
import { unlessRefused } from './refusal.js';

/** Cuts the items of each project into batches, one project after the other; a dry run only counts them and ends here. */
export async function planStep({ ports, settings, attempt }: StepContext): Promise<StepOutcome> {
  const input = inputOf(attempt.run);
  let state = stateOf(attempt.run);
  const planning = await openPlanning(ports, settings, attempt, input);
  const found = await loadFound(ports.store, state.chunks);
  const planned = new Set(state.projects.map(({ project }) => project));
  const projects = await projectsOf(ports, found, input);
  assertSuffixFree(projects, input, ports.vectors.place.suffix);
  let worked = false;
  for (const project of projects) {
    if (planned.has(project) || !planning.isDue(project)) continue;
    if (worked && attempt.timeIsUp()) return continueLater(state, countItems(state));
    throwIfAborted(attempt.signal);
    const ofProject = entryOf(found, project);
    const outcome = await unlessRefused(ports.vectors, () => planProject(planning, project, ofProject));
    if ('refused' in outcome) {
      state = withProject(state, newProject(project, { items: ofProject.items.size, refused: outcome.refused }));
    } else {
      state = input.dryRun
        ? await measureProject(ports, settings, state, outcome.done, attempt.signal)
        : await writePlan(planning, state, outcome.done);
    }
    await attempt.save(state, { done: countItems(state), total: null, unit: 'items', bytes: 0 });
    worked = true;
  }
  if (input.dryRun) return endDryRun(ports, settings, input, state);
  // Vectors that are built beside the index are not searched yet: clearing them takes nothing away.
  if (input.mode === 'flush' && input.beside === null) assertWithinOneDay(input, forecastOf(ports, settings, state));
  if (input.beside !== null) {
    const startedAt = new Date(state.startedAt).toISOString();
    await saveBeside(ports.store, { ...ports.vectors.place, ...ports.recipe, startedAt, run: attempt.run.id });
  }
  const locksTaken = await takeLocks(ports.redis, lockedProjects(input, state), attempt.run.id);
  return enterPhase('flush', { ...state, locksTaken }, 0, ports.clock.now());
}

interface Planning {
  readonly ports: ReindexPorts;
  readonly settings: ReindexSettings;
  readonly attempt: Attempt;
  readonly input: ReindexInput;
  readonly models: IndexModels;
  /** What the earlier run embedded, if this run is its retry. */
  readonly earlier: EarlierPrints;
  readonly isDue: (project: string) => boolean;
}

async function openPlanning(
  ports: ReindexPorts,
  settings: ReindexSettings,
  attempt: Attempt,
  input: ReindexInput,
): Promise<Planning> {
  const { retry } = input;
  const left = retry === null ? null : await findUnfinishedProjects(ports.store, retry);
  return {
    ports,
    settings,
    attempt,
    input,
    models: await loadIndexModels(ports.store),
    earlier: retry === null ? new Map() : await loadEarlierPrints(ports.store, retry),
    isDue: (project) => left === null || left.has(project),
  };
}

/** Projects in order: those of the database, and those of the index, whose items may all be deleted. */
export async function projectsOf(
  { store, vectors }: Pick<ReindexPorts, 'store' | 'vectors'>,
  found: Found,
  { scope }: Pick<ReindexInput, 'scope'>,
): Promise<string[]> {
  const beside = suffixesBeside(await loadIndexModels(store), vectors.place);
  return [...new Set([...found.keys(), ...(await namespacesOf(vectors, scope, beside))])].sort();
}

/** Throws if the namespace of a project would be that of another project with the suffix. */
function assertSuffixFree(projects: readonly string[], { beside }: ReindexInput, suffix: string): void {
  const known = new Set(projects);
  const taken = projects.filter((project) => project.endsWith(suffix) && known.has(project.slice(0, -suffix.length)));
  if (beside === null || suffix === '' || taken.length === 0) return;
  throw new AppError('usage', `With the suffix ${suffix}, the namespace of one project would be that of another`, {
    hint: 'Choose another suffix, for example one with a colon, which no project id contains. Nothing was changed.',
  });
}

async function planProject(
  planning: Planning,
  project: string,
  { items, odd, clusters }: FoundProject,
): Promise<ProjectPlan> {
  const { input, ports } = planning;
  const { clusterOf, conflicts } = await readClusters(ports.redis, project, clusters, items);
  const only = itemsOnly(input.scope, project);
  const present = await findIds(ports.vectors, project, only);
  const before =
    only === null ? await modelBefore(planning, project, items, present) : await modelOfOthers(planning, project, only);
  const stale =
    input.mode === 'missing' && input.beside !== null ? await findStale(planning, project, items, clusterOf) : NONE;
  const isDue = (id: string): boolean => input.mode !== 'missing' || !present.has(id) || stale.has(id);
  const due = [...items].filter(isDue);
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

const NONE: ReadonlySet<string> = new Set();
/** Items per request. */
const PAGE = 100;

/**
 * The items whose vector, built beside, has an outdated title, date or cluster: the application does not update vectors that
 * it does not search yet. A change of the body alone cannot be detected.
 */
async function findStale(
  { attempt, ports, settings }: Planning,
  project: string,
  items: ReadonlySet<string>,
  clusterOf: ReadonlyMap<string, string>,
): Promise<ReadonlySet<string>> {
  const stale = new Set<string>();
  let cursor: string | null = null;
  do {
    throwIfAborted(attempt.signal);
    const page: VectorPage = await ports.vectors.range(project, cursor, PAGE);
    const there = page.vectors.filter(({ id }) => items.has(id));
    const refs = there.map(({ id }): ItemRef => [id, clusterOf.get(id) ?? '']);
    const read = await readItems(ports.redis, project, refs, settings.cutCodePoints);
    for (const [at, { id, metadata }] of there.entries()) {
      const item = read[at] ?? 'gone';
      if (item !== 'gone' && !('skip' in item) && !hasMetadata(metadata, item.metadata)) stale.add(id);
    }
    cursor = page.next;
  } while (cursor !== null);
  return stale;
}

/**
 * Whether the existing vectors are of the current model. Throws `vector-mismatch` in mode `missing` if they are not: the new
 * vectors would be mixed with them.
 */
async function modelBefore(
  { input: { beside, mode }, attempt, models, ports, settings }: Planning,
  project: string,
  items: ReadonlySet<string>,
  present: ReadonlySet<string>,
): Promise<ProjectState['before']> {
  if (mode === 'flush' || present.size === 0) return 'none';
  const known = modelOf(models, ports.vectors.place, project);
  const both = [...present].filter((id) => items.has(id));
  const before =
    known === null
      ? await sampleModel(ports, settings, project, both, attempt.signal)
      : isSameRecipe(known, ports.recipe) && !known.mixed
        ? 'recorded'
        : 'other';
  if (mode === 'missing' && before === 'other') throw otherModelError(project, known, ports.recipe, beside);
  if (mode === 'missing' && before === 'unknown' && both.length > 0)
    throw unknownModelError(project, ports.recipe, beside);
  return before;
}

/**
 * Like `modelBefore` for a scope of items, whose new vectors join the others of the project; the first of those are sampled.
 * Throws `vector-mismatch` if they are of another model, by the record or by the sample.
 */
async function modelOfOthers(
  { input: { beside }, attempt, models, ports, settings }: Planning,
  project: string,
  only: ReadonlySet<string>,
): Promise<ProjectState['before']> {
  const known = modelOf(models, ports.vectors.place, project);
  const isOther = known !== null && (known.mixed || !isSameRecipe(known, ports.recipe));
  if (known !== null && !isOther) return 'recorded';
  const { vectors } = known === null ? await ports.vectors.range(project, null, PAGE) : { vectors: [] };
  const others = vectors.map(({ id }) => id).filter((id) => !only.has(id));
  const before = isOther ? 'other' : await sampleModel(ports, settings, project, others, attempt.signal);
  if (before === 'other') throw otherModelError(project, known, ports.recipe, beside);
  return before;
}

/** By the limits. Texts have not been read yet, so the maximum of tokens per text is assumed. */
function forecastOf(ports: ReindexPorts, settings: ReindexSettings, { projects }: ReindexCheckpoint) {
  const texts = projects.reduce((sum, { planned }) => sum + planned, 0);
  const need = { texts, tokens: texts * estimateTextTokens(ports.embedder, settings), updates: texts };
  return forecast(need, { ...ports.embedder.limits, updatesPerDay: settings.updatesPerDay });
}

async function writePlan(
  { earlier, attempt, ports, settings }: Planning,
  state: ReindexCheckpoint,
  plan: ProjectPlan,
): Promise<ReindexCheckpoint> {
  const first = state.batches;
  const { project } = plan.entry;
  const batches = cutBatches(project, plan.items, batchSize(ports.embedder, settings));
  const numbered = batches.map((batch, at) => [first + at, batch] as const);
  await storeBatches(ports.store, attempt.run.id, 'embed', attempt.fence, numbered);
  const known = earlier.get(project);
  for (const [number, { items }] of known === undefined ? [] : numbered) {
    const prints = items.map(([id]) => known?.get(id) ?? null);
    await savePartial(ports.store, attempt.run.id, 'embed', number, { prints, spent: NOTHING_SPENT });
  }
  const entry = { ...plan.entry, first, batches: batches.length };
  const next = withFindings(withProject(state, entry), plan);
  return { ...next, batches: first + batches.length, ranges: withRange(state.ranges, first, attempt.fence) };
}

function countItems({ projects }: ReindexCheckpoint): number {
  return projects.reduce((sum, { items }) => sum + items + 1, 0);
}
