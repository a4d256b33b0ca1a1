import type { Json } from '../json.js';
import type { RunRecord, Turn } from '../runs/model.js';
import { keepLocks } from '../soulcaster/locks.js';
import { readBatch } from './batches.js';
import { inputOf, stateOf, type ReindexCheckpoint } from './checkpoint.js';
import type { ReindexPorts, ReindexSettings } from './context.js';
import { placeItems } from './embed/place.js';
import type { Print } from './embed/prints.js';
import { NOTHING_SPENT, type ReindexInput, type Spent } from './model.js';
import { loadPartial, savePartial } from './partial.js';
import { unlessRefused } from './refusal.js';

/** A type, not an interface: it is stored as JSON. */
export type EmbedResult = { readonly prints: readonly Print[]; readonly spent: Spent };

/** Embeds one batch. Done twice, it has the same effect: nothing is taken for fresh that it did not write itself. */
export async function embedTask(
  ports: ReindexPorts,
  settings: ReindexSettings,
  kind: 'embed' | 'late',
  run: RunRecord,
  task: number,
  signal: AbortSignal,
  turn: Turn,
): Promise<Json> {
  const state = stateOf(run);
  const batch = await readBatch(ports.store, run, state, kind, task);
  const work = { ports, settings, project: batch.project, signal, turn };
  const before = await loadPartial(ports.store, run.id, kind, task);
  const [outcome] = await Promise.all([
    unlessRefused(ports.vectors, () =>
      placeItems(work, batch.items, before, (prints) => savePartial(ports.store, run.id, kind, task, prints)),
    ),
    holdLocks(ports, state, run, task),
  ]);
  if ('refused' in outcome) {
    return {
      prints: batch.items.map(() => ['', 'index-refused'] as const),
      spent: NOTHING_SPENT,
    } satisfies EmbedResult;
  }
  const { prints, embedding } = outcome.done;
  return { prints, spent: embedding.spent() } satisfies EmbedResult;
}

/** A look at the locks costs a request: one in this many tasks is often enough, since they last for minutes. */
const TASKS_PER_TURN = 5;

export async function holdLocks(
  ports: Pick<ReindexPorts, 'redis'>,
  state: ReindexCheckpoint,
  run: RunRecord,
  task: number,
): Promise<void> {
  if (task % TASKS_PER_TURN === 0) await keepLocks(ports.redis, lockedProjects(inputOf(run), state), run.id);
}

/**
 * What is from before there were projects has no lock; and what is built beside keeps the application from nothing: it
 * may take days, and is looked at again in the end.
 */
export function lockedProjects({ beside }: ReindexInput, { projects }: ReindexCheckpoint): string[] {
  if (beside !== null) return [];
  return projects.map(({ project }) => project).filter((project) => project !== '');
}
