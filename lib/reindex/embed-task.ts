import { z } from 'zod';
import { type Json, decodeJson, encodeJson } from '../json.js';
import type { RunRecord, Turn } from '../runs/model.js';
import { keepLocks } from '../soulcaster/locks.js';
import { readBatch } from './batches.js';
import { inputOf, stateOf, type ReindexCheckpoint } from './checkpoint.js';
import type { ReindexPorts, ReindexSettings } from './context.js';
import { placeItems } from './embed/place.js';
import type { Print } from './embed/prints.js';
import { NOTHING_SPENT, type ReindexInput, type Spent, SKIP_REASONS } from './model.js';
import { unlessRefused } from './refusal.js';
import type { ObjectStore } from '../ports/store.js';

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

const partialSchema = z.object({
  prints: z.array(z.union([z.null(), z.string(), z.tuple([z.string(), z.enum(SKIP_REASONS)])])),
});

/**
 * What a batch came to before a rate limit ended its try: the next try embeds the rest alone. Otherwise a batch that is
 * larger than the limit of a whole minute would never come to its end.
 */
export async function loadPartial(
  store: ObjectStore,
  run: string,
  kind: 'embed' | 'late',
  task: number,
): Promise<readonly Print[]> {
  const found = await store.read(partialName(run, kind, task));
  return found === null ? [] : (partialSchema.safeParse(decodeJson(found.body)).data?.prints ?? []);
}

export async function savePartial(
  store: ObjectStore,
  run: string,
  kind: 'embed' | 'late',
  task: number,
  prints: readonly Print[],
): Promise<void> {
  const name = partialName(run, kind, task);
  const body = encodeJson({ prints });
  const found = await store.read(name);
  // Whoever loses to another try of the same task loses only the texts that both have embedded.
  await (found === null ? store.create(name, body) : store.swap(name, body, found.etag));
}

function partialName(run: string, kind: 'embed' | 'late', task: number): string {
  return `runs/${run}/partial/${kind}-${String(task).padStart(6, '0')}.json`;
}
