import { AppError } from '../errors.js';
import type { VectorPage } from '../ports/vector-index.js';
import type { Attempt, StepOutcome } from '../runs/model.js';
import {
  isSameRecipe,
  loadIndexModels,
  modelOf,
  noteBeside,
  suffixesBeside,
  type IndexModels,
} from '../soulcaster/index-models.js';
import { takeLocks } from '../soulcaster/locks.js';
import { cutBatches, storeBatches, withRange } from './batches.js';
import {
  enter,
  inputOf,
  later,
  newProject,
  stateOf,
  withFindings,
  withProject,
  type ProjectPlan,
  type ProjectState,
  type ReindexCheckpoint,
} from './checkpoint.js';
import { batchSize, textTokens, throwIfAborted, type ReindexPorts, type ReindexSettings } from './context.js';
import { endDryRun, weighProject } from './dry-run.js';
import { embeddedBy, projectsLeft, type Earlier } from './earlier.js';
import { lockedProjects, savePartial } from './embed-task.js';
import { hasMetadata } from './embed/prints.js';
import { readClusters } from './find/clusters.js';
import { loadFound, of, type Found, type FoundProject } from './find/found.js';
import { demandInOneDay, forecast } from './forecast.js';
import { readItems } from './items.js';
import { itemsOnly, type ItemRef, type ReindexInput } from './model.js';
import { refuseMixture, refuseUntold, sampleModel } from './index-model.js';
import { idsIn, namespacesOf } from './namespace.js';
import { unlessRefused } from './refusal.js';

/** Cuts the items of each project into batches, one project after the other; a dry run only counts and ends here. */
export async function planStep(ports: ReindexPorts, settings: ReindexSettings, attempt: Attempt): Promise<StepOutcome> {
  const input = inputOf(attempt.run);
  let state = stateOf(attempt.run);
  const planning = await openPlanning(ports, settings, attempt, input);
  const found = await loadFound(ports.store, state.chunks);
  const planned = new Set(state.projects.map(({ project }) => project));
  const projects = await projectsOf(ports, found, input);
  refuseTaken(projects, input, ports.vectors.place.suffix);
  let worked = false;
  for (const project of projects) {
    if (planned.has(project) || !planning.isDue(project)) continue;
    if (worked && attempt.timeIsUp()) return later(state, itemsIn(state));
    throwIfAborted(attempt.signal);
    const ofProject = of(found, project);
    const outcome = await unlessRefused(ports.vectors, () => planProject(planning, project, ofProject));
    if ('refused' in outcome) {
      state = withProject(state, newProject(project, { items: ofProject.items.size, refused: outcome.refused }));
    } else {
      state = input.dryRun
        ? await weighProject(ports, settings, state, outcome.done, attempt.signal)
        : await writePlan(planning, state, outcome.done);
    }
    await attempt.save(state, { done: itemsIn(state), total: null, unit: 'items', bytes: 0 });
    worked = true;
  }
  if (input.dryRun) return endDryRun(ports, settings, input, state);
  // What is built beside is not searched yet: to clear it takes nothing away.
  if (input.mode === 'flush' && input.beside === null) demandInOneDay(input, forecastOf(ports, settings, state));
  if (input.beside !== null) {
    const startedAt = new Date(state.startedAt).toISOString();
    await noteBeside(ports.store, { ...ports.vectors.place, ...ports.recipe, startedAt, run: attempt.run.id });
  }
  const locksTaken = await takeLocks(ports.redis, lockedProjects(input, state), attempt.run.id);
  return enter('flush', { ...state, locksTaken }, 0, ports.clock.now());
}

interface Planning {
  readonly ports: ReindexPorts;
  readonly settings: ReindexSettings;
  readonly attempt: Attempt;
  readonly input: ReindexInput;
  readonly models: IndexModels;
  /** What the run before embedded, if this one does its rest. */
  readonly earlier: Earlier;
  readonly isDue: (project: string) => boolean;
}

async function openPlanning(
  ports: ReindexPorts,
  settings: ReindexSettings,
  attempt: Attempt,
  input: ReindexInput,
): Promise<Planning> {
  const { retry } = input;
  const left = retry === null ? null : await projectsLeft(ports.store, retry);
  return {
    ports,
    settings,
    attempt,
    input,
    models: await loadIndexModels(ports.store),
    earlier: retry === null ? new Map() : await embeddedBy(ports.store, retry),
    isDue: (project) => left === null || left.has(project),
  };
}

/** Projects in order: those of the database and, since their items may all be gone, those of the index. */
export async function projectsOf(
  { store, vectors }: Pick<ReindexPorts, 'store' | 'vectors'>,
  found: Found,
  { scope }: Pick<ReindexInput, 'scope'>,
): Promise<string[]> {
  const beside = suffixesBeside(await loadIndexModels(store), vectors.place);
  return [...new Set([...found.keys(), ...(await namespacesOf(vectors, scope, beside))])].sort();
}

/** A project whose id ends in the suffix has the namespace that would be another one's. */
function refuseTaken(projects: readonly string[], { beside }: ReindexInput, suffix: string): void {
  const known = new Set(projects);
  const taken = projects.filter((project) => project.endsWith(suffix) && known.has(project.slice(0, -suffix.length)));
  if (beside === null || suffix === '' || taken.length === 0) return;
  throw new AppError('usage', `There is a project whose namespace is another one's with the suffix ${suffix}`, {
    hint: 'Give another suffix, such as one with a colon in it, which no project id has. Nothing was changed.',
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
  const present = await idsIn(ports.vectors, project, only);
  const before =
    only === null ? await modelBefore(planning, project, items, present) : await modelOfOthers(planning, project, only);
  const stale =
    input.mode === 'missing' && input.beside !== null ? await staleOf(planning, project, items, clusterOf) : NONE;
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
/** Items that are read with one request. */
const PAGE = 100;

/**
 * The items whose vector, built beside, has the title, the date or the cluster of another time: nobody else brings those
 * up to date before the application searches them. That a body alone was changed is not to be seen there.
 */
async function staleOf(
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
 * Whether the vectors that are there are of the model that embeds now. Throws `vector-mismatch` in mode `missing` when
 * they are not: the new ones would stand beside them.
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
  if (mode === 'missing' && before === 'other') throw refuseMixture(project, known, ports.recipe, beside);
  if (mode === 'missing' && before === 'unknown' && both.length > 0) throw refuseUntold(project, ports.recipe, beside);
  return before;
}

/**
 * The same for some items, whose new vectors stand among all others of the project, of which the first are looked at. Throws
 * `vector-mismatch` when those are known, or seen, to be of another model.
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
  if (before === 'other') throw refuseMixture(project, known, ports.recipe, beside);
  return before;
}

/** By the limits; what texts are long is known when they have been read, so that as many tokens as can be are reckoned. */
function forecastOf(ports: ReindexPorts, settings: ReindexSettings, { projects }: ReindexCheckpoint) {
  const texts = projects.reduce((sum, { planned }) => sum + planned, 0);
  const need = { texts, tokens: texts * textTokens(ports.embedder, settings), updates: texts };
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
    await savePartial(ports.store, attempt.run.id, 'embed', number, prints);
  }
  const entry = { ...plan.entry, first, batches: batches.length };
  const next = withFindings(withProject(state, entry), plan);
  return { ...next, batches: first + batches.length, ranges: withRange(state.ranges, first, attempt.fence) };
}

function itemsIn({ projects }: ReindexCheckpoint): number {
  return projects.reduce((sum, { items }) => sum + items + 1, 0);
}
