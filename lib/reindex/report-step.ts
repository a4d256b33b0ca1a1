import type { Json } from '../json.js';
import type { Leg, RunFailure, StepOutcome } from '../runs/model.js';
import { releaseLocks } from '../soulcaster/locks.js';
import { inputOf, stateOf, type ProjectState, type ReindexCheckpoint } from './checkpoint.js';
import type { ReindexPorts } from './context.js';
import { lockedProjects } from './embed-task.js';
import { addSpent, MOST_NAMED, type ReindexMode, type Skipped } from './model.js';
import { estimate } from './price.js';
import { embeddingSpent, settled } from './results.js';

interface Totals {
  embedded: number;
  again: number;
  skipped: Skipped[];
  wrong: number;
}

/** Ends a re-index: lets go of the locks and says how it went. */
export async function reportStep(ports: ReindexPorts, leg: Leg): Promise<StepOutcome> {
  const input = inputOf(leg.run);
  const state = stateOf(leg.run);
  await releaseLocks(ports.redis, lockedProjects(state), leg.run.id);
  const { byProject, spent } = await collect(leg, state);
  const projects = state.projects.map((entry) => viewOf(entry, byProject.get(entry.project) ?? noTotals()));
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
    skipped: { count: sum('skipped'), byReason: reasons(skipped), named: skipped.slice(0, MOST_NAMED) },
    conflicts: {
      count: state.projects.reduce((total, { conflicts }) => total + conflicts, 0),
      named: state.conflicts,
    },
    locksTaken: state.locksTaken,
    calls: spent.calls,
    texts: spent.texts,
    ...estimate(spent.characters),
    proof: proofOf(state.projects, sum('wrong')),
    milliseconds: ports.clock.now() - state.startedAt,
    phases: phaseTimes(state, ports.clock.now()),
  };
  const error = failureOf(input.mode, result);
  return { to: 'end', state: error === null ? 'succeeded' : 'failed', result: result as unknown as Json, error };
}

async function collect(leg: Leg, state: ReindexCheckpoint) {
  const byProject = new Map<string, Totals>();
  let spent = addSpent(state.spent, await embeddingSpent(leg));
  for await (const { project, embedded, again, skipped, wrong, spent: some } of settled(leg)) {
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

function noTotals(): Totals {
  return { embedded: 0, again: 0, skipped: [], wrong: 0 };
}

function viewOf(entry: ProjectState, { embedded, again, skipped, wrong }: Totals) {
  const { project, items, unchanged, swept, odd, conflicts, topUp, proof } = entry;
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
  };
}

/** Reasons of those that are named one by one in the tasks' results; what the proof found is in the projects' counts. */
function reasons(skipped: readonly Skipped[]): Record<string, number> {
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

function failureOf(
  mode: ReindexMode,
  {
    embedded,
    unchanged,
    skipped,
    proof,
  }: { embedded: number; unchanged: number; skipped: { count: number }; proof: Outcome },
): RunFailure | null {
  const { missing, wrong, sampled, sampleFound, pending } = proof;
  const strays = mode === 'missing' ? 0 : proof.strays;
  if (embedded + unchanged === 0 && skipped.count > 0) {
    return {
      code: 'not-proven',
      message: `None of ${skipped.count} items could be embedded`,
      hint: 'The result names them with the reason for each. Vectors of items that are still there were left as they were.',
    };
  }
  if (missing + strays + wrong > 0) {
    return {
      code: 'not-proven',
      message: `The proof failed: ${missing} items have no vector, ${strays} vectors no item, ${wrong} vectors are not as they were written`,
      hint: 'Was the application writing a great deal? Start the re-index again; the mode in-place takes nothing away.',
    };
  }
  if (sampled === sampleFound) return null;
  return {
    code: 'not-proven',
    message: `The proof failed: ${sampled - sampleFound} of ${sampled} vectors do not find themselves, with ${pending} writes not indexed yet`,
    hint: 'Look at the index in the Upstash console; when nothing is pending there any more, start the re-index again.',
  };
}

/** How long each phase took, in milliseconds. */
function phaseTimes({ times, startedAt }: ReindexCheckpoint, now: number): Record<string, number> {
  const all: readonly (readonly [string, number])[] = [['preflight', startedAt], ...times];
  return Object.fromEntries(all.map(([phase, at], index) => [phase, (all[index + 1]?.[1] ?? now) - at]));
}
