import { z } from 'zod';
import { AppError } from '../errors.js';
import type { Json } from '../json.js';
import type { VectorIndex } from '../ports/vector-index.js';
import type { StepOutcome } from '../runs/model.js';
import { runsOf } from '../runs/recent.js';
import { fieldsOf } from '../runs/traits.js';
import { isSameRecipe, loadIndexModels, modelOf, olderSuffixes, removePlace } from '../soulcaster/index-models.js';
import { type Comparison, continueLater, enterPhase, inputOf, type ProjectState, stateOf } from './checkpoint.js';
import { type ReindexPorts, throwIfAborted, type StepContext } from './context.js';
import { entryOf, loadFound } from './find-step.js';
import { readItems } from './items.js';
import { withListed } from './lists.js';
import { isRefusal, SKIP_REASONS } from './model.js';
import { listIds, pages } from './namespace.js';
import { projectsOf } from './plan-step.js';
import { compareWithItems, searchSample } from './prove-step.js';

/** Items per request. */
const PAGE = 100;
const NAMED = 5;

/**
 * Removes the old vectors of all projects, after a check that every item has a new one. All projects are checked before
 * anything is removed. If an attempt dies, the next one repeats the step.
 */
export async function dropStep(work: StepContext, searched: VectorIndex): Promise<StepOutcome> {
  const { attempt, ports } = work;
  const input = inputOf(attempt.run);
  const state = stateOf(attempt.run);
  const found = await loadFound(ports.store, state.chunks);
  const olds = await listOldIndexes(work, searched);
  const faults: string[] = [];
  let items = 0;
  for (const project of await projectsOf(ports, found, input)) {
    throwIfAborted(attempt.signal);
    const now = await withListed(ports.redis, project, entryOf(found, project));
    items += now.items.size;
    const fault = await findFault(work, olds, project, now.items);
    if (fault !== null) faults.push(`${project === '' ? '(none)' : project}: ${fault}`);
    attempt.report(() => ({ done: items, total: null, unit: 'items', bytes: 0 }));
  }
  if (faults.length > 0) throw notProvenError(faults);
  const removed: { namespace: string; vectors: number }[] = [];
  for (const old of olds) {
    const { namespaces } = await old.info();
    for (const project of await projectsOf({ store: ports.store, vectors: old }, new Map(), input)) {
      const { pending = 0, vectors = 0 } = namespaces[project] ?? {};
      if (!input.dryRun) {
        // Throws when another attempt has taken over.
        await attempt.save(state, { done: removed.length, total: null, unit: 'parts', bytes: 0 });
        throwIfAborted(attempt.signal);
        await old.remove(project, 'all');
      }
      removed.push({ namespace: `${project}${old.place.suffix}`, vectors: vectors + pending });
    }
    if (!input.dryRun) await removePlace(ports.store, old.place);
  }
  const dropped = removed.reduce((sum, { vectors }) => sum + vectors, 0);
  const result = { ...input, items, dropped, removed, milliseconds: ports.clock.now() - state.startedAt };
  return { to: 'end', state: 'succeeded', result: result as unknown as Json, error: null };
}

/**
 * The vectors that the application searched before: those of the configuration or, once it names the new vectors, all
 * namespaces of the index that were built before them.
 */
async function listOldIndexes({ ports }: StepContext, searched: VectorIndex): Promise<VectorIndex[]> {
  const { place } = ports.vectors;
  const isSwitched = searched.place.index === place.index && searched.place.suffix === place.suffix;
  if (!isSwitched) return [searched];
  const older = olderSuffixes(await loadIndexModels(ports.store), place);
  return older.map((suffix) => ports.elsewhere.indexOf({ index: 'same', suffix }));
}

/** Why the new vectors of a project cannot replace the old ones; null if they can. */
async function findFault(
  work: StepContext,
  olds: readonly VectorIndex[],
  project: string,
  items: Set<string>,
): Promise<string | null> {
  const { ports, settings } = work;
  const { ids, missing } = await compareWithItems(work, project, items, new Map());
  const without: string[] = [];
  for (const page of pages(missing, PAGE)) {
    const read = await readItems(
      ports.redis,
      project,
      page.map((id) => [id, '']),
      settings.cutCodePoints,
    );
    const readable = page.filter((_, at) => {
      const item = read[at];
      return item !== undefined && item !== 'gone' && !('skip' in item);
    });
    without.push(...readable);
  }
  const known = modelOf(await loadIndexModels(ports.store), ports.vectors.place, project);
  const excused = known === null ? new Set() : await findRefused(ports, known.run, olds, project);
  const losing = without.filter((id) => !excused.has(id)).sort();
  if (losing.length > 0) {
    const more = losing.length > NAMED ? ` and ${losing.length - NAMED} more` : '';
    return `${losing.length} items have no new vector (${losing.slice(0, NAMED).join(', ')}${more})`;
  }
  if (ids.size === 0) return null;
  if (known === null || known.provenAt === null || known.mixed) return 'no re-index of it has been proven';
  if (!isSameRecipe(known, ports.recipe)) return `its new vectors were made with ${known.model}`;
  const { sampled, sampleFound } = await searchSample(ports.vectors, project, [...ids]);
  return sampleFound < sampled ? `${sampled - sampleFound} of ${sampled} new vectors do not find themselves` : null;
}

/** Items that were refused when the new vectors were made, and that have no old vector to lose. */
async function findRefused(
  { store }: Pick<ReindexPorts, 'store'>,
  run: string,
  olds: readonly VectorIndex[],
  project: string,
): Promise<ReadonlySet<string>> {
  const [record] = await runsOf(store, [run]);
  const refused = new Set(
    refusedSchema
      .catch([])
      .parse(fieldsOf(fieldsOf(record?.result)['skipped'])['named'])
      .filter((skip) => skip.project === project && isRefusal(skip.reason))
      .map(({ id }) => id),
  );
  const ids = [...refused];
  for (const old of olds) {
    const vectors = await old.fetch(project, ids);
    for (const [at, id] of ids.entries()) if (vectors[at] != null) refused.delete(id);
  }
  return refused;
}

const refusedSchema = z.array(z.object({ project: z.string(), id: z.string(), reason: z.enum(SKIP_REASONS) }));

function notProvenError(faults: readonly string[]): AppError {
  const more = faults.length > NAMED ? `; and ${faults.length - NAMED} more` : '';
  return new AppError('not-proven', `Nothing was removed: ${faults.slice(0, NAMED).join('; ')}${more}`, {
    hint: 'Bring the new vectors up to date with --mode missing and the same --into or --next, then drop the old ones. Change the text of items that the embedder refuses, or delete them, first.',
  });
}

/** Sample queries per project. */
const QUERIES = 20;
const NEAREST = 10;

/**
 * Queries the old and the new vectors of a project for the nearest neighbours of some items, and counts the common ones.
 * Shows how much search will change, not which of the two is right.
 */
export async function compareStep({ ports, attempt }: StepContext, old: VectorIndex): Promise<StepOutcome> {
  let state = stateOf(attempt.run);
  const done = new Set(state.compared.map(({ project }) => project));
  const isDue = ({ project, proof }: ProjectState): boolean => !done.has(project) && (proof?.vectors ?? 0) > 0;
  let worked = false;
  for (const { project } of state.projects.filter(isDue)) {
    if (worked && attempt.timeIsUp()) return continueLater(state, state.compared.length);
    throwIfAborted(attempt.signal);
    const compared = await compareProject(old, ports.vectors, project);
    state = { ...state, compared: [...state.compared, compared] };
    await attempt.save(state, { done: state.compared.length, total: null, unit: 'items', bytes: 0 });
    worked = true;
  }
  return enterPhase('report', state, 0, ports.clock.now());
}

async function compareProject(old: VectorIndex, now: VectorIndex, project: string): Promise<Comparison> {
  const [before, after] = await Promise.all([listIds(old, project), listIds(now, project)]);
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

/** The ids of the nearest neighbours of each item, without the item itself; null for an item without a vector. */
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
