import type { Json } from '../json.js';
import type { Attempt, RunFailure, StepOutcome } from '../runs/model.js';
import { findUnfinishedProjects } from './earlier.js';
import { labelOf, type NamespaceModel, removeNamespaces, saveModels } from '../soulcaster/index-models.js';
import { releaseLocks } from '../soulcaster/locks.js';
import { inputOf, type ProjectState, type ReindexCheckpoint, stateOf } from './checkpoint.js';
import type { ReindexPorts, StepContext } from './context.js';
import { lockedProjects, embeddingSpent } from './embed-task.js';
import { estimateCost } from './forecast.js';
import {
  addSpent,
  isRefusal,
  MOST_NAMED,
  type ReindexInput,
  type ReindexMode,
  retryCommand,
  type Skipped,
} from './model.js';
import { reconcileResults } from './reconcile-task.js';
import { describeRefusedNamespaces, projectNames } from './refusal.js';

interface Totals {
  embedded: number;
  again: number;
  skipped: Skipped[];
  wrong: number;
}

/** Ends a re-index: releases the locks and reports the result. */
export async function reportStep({ ports, attempt }: StepContext): Promise<StepOutcome> {
  const input = inputOf(attempt.run);
  const state = stateOf(attempt.run);
  await releaseLocks(ports.redis, lockedProjects(input, state), attempt.run.id);
  const { byProject, spent } = await collectTotals(attempt, state);
  const projects = state.projects.map((entry) => projectResult(entry, byProject.get(entry.project) ?? noTotals()));
  const sum = (field: 'embedded' | 'again' | 'unchanged' | 'swept' | 'skipped' | 'wrong'): number =>
    projects.reduce((total, project) => total + project[field], 0);
  const skipped = [...[...byProject.values()].flatMap((totals) => totals.skipped), ...state.odd];
  const result = {
    ...input,
    projects,
    embedded: sum('embedded'),
    unchanged: sum('unchanged'),
    swept: sum('swept'),
    again: sum('again'),
    skipped: { count: sum('skipped'), byReason: countReasons(skipped), named: skipped.slice(0, MOST_NAMED) },
    conflicts: {
      count: state.projects.reduce((total, { conflicts }) => total + conflicts, 0),
      named: state.conflicts,
    },
    locksTaken: state.locksTaken,
    compared: comparedOf(state),
    calls: spent.calls,
    texts: spent.texts,
    ...estimateCost(ports.embedder, spent.characters),
    proof: proofOf(state.projects, sum('wrong')),
    milliseconds: ports.clock.now() - state.startedAt,
    phases: phaseTimes(state, ports.clock.now()),
  };
  const error = failureOf(attempt.run.id, input.mode, result, state.projects);
  await saveProvenModels(ports, attempt, state, projects);
  const end = error === null ? 'succeeded' : error.code === 'incomplete' ? 'incomplete' : 'failed';
  return { to: 'end', state: end, result: result as unknown as Json, error };
}

async function collectTotals(attempt: Attempt, state: ReindexCheckpoint) {
  const byProject = new Map<string, Totals>();
  let spent = addSpent(state.spent, await embeddingSpent(attempt));
  for await (const { project, embedded, again, skipped, wrong, spent: some } of reconcileResults(attempt)) {
    const totals = byProject.get(project) ?? noTotals();
    totals.embedded += embedded;
    totals.again += again;
    totals.wrong += wrong.length;
    totals.skipped.push(...skipped.map(([id, reason]) => ({ project, id, reason })));
    byProject.set(project, totals);
    spent = addSpent(spent, some);
  }
  return { byProject, spent };
}

/** Null if nothing was built beside other vectors. */
function comparedOf({ compared }: ReindexCheckpoint) {
  const queried = compared.filter(({ queries }) => queries > 0);
  if (queried.length === 0) return null;
  const queries = queried.reduce((sum, one) => sum + one.queries, 0);
  const shared = queried.reduce((sum, one) => sum + one.overlap * one.queries, 0);
  return { queries, overlap: Number((shared / queries).toFixed(3)), projects: queried.slice(0, MOST_NAMED) };
}

function noTotals(): Totals {
  return { embedded: 0, again: 0, skipped: [], wrong: 0 };
}

function projectResult(entry: ProjectState, { embedded, again, skipped, wrong }: Totals) {
  const { project, items, unchanged, swept, odd, conflicts, topUp, proof, refused, before } = entry;
  const skips = skipped.length + odd;
  return {
    project,
    items,
    embedded: embedded + topUp,
    unchanged,
    swept,
    skipped: skips,
    conflicts,
    again,
    wrong,
    proof,
    refused,
    before,
  };
}

/** Counts by reason. */
function countReasons(skipped: readonly Skipped[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { reason } of skipped) counts[reason] = (counts[reason] ?? 0) + 1;
  return counts;
}

function proofOf(projects: readonly ProjectState[], wrong: number) {
  const proofs = projects.map(({ proof }) => proof).filter((proof) => proof !== null);
  const sum = (field: keyof (typeof proofs)[number]): number =>
    proofs.reduce((total, proof) => total + proof[field], 0);
  return {
    items: sum('items'),
    vectors: sum('vectors'),
    missing: sum('missing'),
    strays: sum('strays'),
    left: sum('left'),
    wrong,
    sampled: sum('sampled'),
    sampleFound: sum('sampleFound'),
    pending: sum('pending'),
  };
}

type Outcome = Pick<ReturnType<typeof proofOf>, 'missing' | 'strays' | 'wrong' | 'sampled' | 'sampleFound' | 'pending'>;

interface Result {
  readonly embedded: number;
  readonly unchanged: number;
  readonly skipped: { readonly count: number; readonly byReason: Readonly<Record<string, number>> };
  readonly proof: Outcome;
}

/** The worst fault of the index; null if there is none. */
function failureOf(
  run: string,
  mode: ReindexMode,
  result: Result,
  projects: readonly ProjectState[],
): RunFailure | null {
  const retry = `\`${retryCommand(run)}\``;
  return (
    proofFailure(mode, result, retry) ??
    mixtureFailure(projects, retry) ??
    notIndexedFailure(result.proof, retry) ??
    refusalFailure(result, projects, retry)
  );
}

function proofFailure(
  mode: ReindexMode,
  { embedded, unchanged, skipped, proof }: Result,
  retry: string,
): RunFailure | null {
  const { missing, wrong } = proof;
  const strays = mode === 'missing' ? 0 : proof.strays;
  if (embedded + unchanged === 0 && skipped.count > 0) {
    return {
      code: 'not-proven',
      message: `None of ${skipped.count} items could be embedded`,
      hint: 'The result lists them with their reasons. Vectors of existing items were left unchanged.',
    };
  }
  if (missing + strays + wrong === 0) return null;
  return {
    code: 'not-proven',
    message: `The proof failed: ${missing} items have no vector, ${strays} vectors have no item, ${wrong} vectors differ from what was written`,
    hint: `Many writes by the application during the re-index can cause this. To finish the rest: ${retry}.`,
  };
}

/** Vectors that could not be renewed are of the earlier model: mixed with the new ones they give wrong search results. */
function mixtureFailure(projects: readonly ProjectState[], retry: string): RunFailure | null {
  const mixed = projects.filter(({ before, proof }) => before === 'other' && (proof?.left ?? 0) > 0);
  if (mixed.length === 0) return null;
  const left = mixed.reduce((sum, { proof }) => sum + (proof?.left ?? 0), 0);
  return {
    code: 'not-proven',
    message: `${left} vectors of another model are left in ${projectNames(mixed)}: their items were refused`,
    hint: `The result lists the items. Change or delete their text, then finish the rest: ${retry}.`,
  };
}

/**
 * Every vector is correct, but queries cannot see all of them yet, so nothing has to be embedded again. A sample that is
 * found does not prove that nothing is pending.
 */
function notIndexedFailure({ sampled, sampleFound, pending }: Outcome, retry: string): RunFailure | null {
  if (sampled === sampleFound && pending === 0) return null;
  const missed = `${sampled - sampleFound} of ${sampled} vectors do not find themselves`;
  if (pending > 0) {
    const what = sampled === sampleFound ? 'queries may not see all of them yet' : missed;
    return {
      code: 'incomplete',
      message: `Every vector is stored correctly, but ${what}: the index has ${pending} writes pending`,
      hint: `Nothing has to be embedded again. When the Upstash console shows no pending writes, repeat the proof: ${retry}.`,
    };
  }
  return {
    code: 'not-proven',
    message: `The proof failed: ${missed}, though no write is pending`,
    hint: `Check the state of the index in the Upstash console, then repeat the proof: ${retry}.`,
  };
}

/** Items and namespaces that a service refused have no new vectors; everything else has. */
function refusalFailure({ skipped }: Result, projects: readonly ProjectState[], retry: string): RunFailure | null {
  const refusedProjects = projects.filter(({ refused }) => refused !== null);
  const items = Object.entries(skipped.byReason).reduce(
    (sum, [reason, count]) => sum + (isRefusal(reason as Skipped['reason']) ? count : 0),
    0,
  );
  if (refusedProjects.length === 0 && items === 0) return null;
  const parts = [
    ...(refusedProjects.length === 0 ? [] : [describeRefusedNamespaces(refusedProjects)]),
    ...(items === 0 ? [] : [`${items} items were refused by the embedder or the index`]),
  ];
  return {
    code: 'incomplete',
    message: `Everything else is re-indexed, but ${parts.join('; ')}`,
    hint: `The result lists each with its reason. Fix the cause, then finish the rest: ${retry}.`,
  };
}

/** Records the recipe of each namespace whose vectors are all proven to be of that recipe. */
async function saveProvenModels(
  ports: ReindexPorts,
  attempt: Attempt,
  { projects }: ReindexCheckpoint,
  views: readonly ReturnType<typeof projectResult>[],
): Promise<void> {
  const { mode, scope } = inputOf(attempt.run);
  // A few items do not show the recipe of the rest of their namespace.
  if ('items' in scope) return;
  const facts = {
    ...ports.vectors.place,
    ...ports.recipe,
    mixed: false,
    provenAt: new Date(ports.clock.now()).toISOString(),
    run: attempt.run.id,
  };
  const models = projects.flatMap(({ project, proof, before }, at): NamespaceModel[] => {
    if (proof === null || proof.vectors === 0 || proof.sampleFound < proof.sampled) return [];
    if (proof.missing + proof.strays + (views[at]?.wrong ?? 0) > 0) return [];
    // Vectors that this run did not write are covered by an earlier record, or there were none.
    const isWhole = mode === 'missing' ? before === 'none' || before === 'recorded' : proof.left === 0;
    return isWhole || before === 'recorded' ? [{ ...facts, project: labelOf(project) }] : [];
  });
  await saveModels(ports.store, models);
  await removeNamespaces(
    ports.store,
    ports.vectors.place,
    await emptyNamespaces(ports, inputOf(attempt.run), projects),
  );
}

/**
 * Whether a namespace, by the label of its project, holds no vector: proven empty, or not found by a run over all projects. The
 * retry of such a run is one as well, unless it is limited to what a report has left.
 */
async function emptyNamespaces(
  { store }: Pick<ReindexPorts, 'store'>,
  { retry, scope }: Pick<ReindexInput, 'retry' | 'scope'>,
  projects: readonly ProjectState[],
): Promise<(label: string) => boolean> {
  const found = new Set(projects.map(({ project }) => labelOf(project)));
  const isEmpty = ({ proof }: ProjectState): boolean => proof !== null && proof.vectors + proof.missing === 0;
  const empty = new Set(projects.filter(isEmpty).map(({ project }) => labelOf(project)));
  const isWhole = 'all' in scope && (retry === null || (await findUnfinishedProjects(store, retry)) === null);
  return (label) => empty.has(label) || (isWhole && !found.has(label));
}

/** How long each phase took, in milliseconds. */
function phaseTimes({ times, startedAt }: ReindexCheckpoint, now: number): Record<string, number> {
  const all: readonly (readonly [string, number])[] = [['preflight', startedAt], ...times];
  return Object.fromEntries(all.map(([phase, at], index) => [phase, (all[index + 1]?.[1] ?? now) - at]));
}
