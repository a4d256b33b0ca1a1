import { z } from 'zod';
import { type Json, decodeJson, encodeJson } from '../json.js';
import type { RunRecord, Turn } from '../runs/model.js';
import { keepLocks } from '../soulcaster/locks.js';
import { readBatch } from './batches.js';
import { inputOf, stateOf, type ReindexCheckpoint } from './checkpoint.js';
import type { ReindexPorts, ReindexSettings } from './context.js';
import { embedItems } from './embed/embed-items.js';
import type { Fingerprint } from './embed/fingerprints.js';
import { NOTHING_SPENT, type ReindexInput, type Spent, SKIP_REASONS } from './model.js';
import { unlessRefused } from './refusal.js';
import type { ObjectStore } from '../ports/store.js';

/** A type, not an interface: it is stored as JSON. */
export type EmbedResult = { readonly prints: readonly Fingerprint[]; readonly spent: Spent };

/** Embeds one batch. Idempotent: only items recorded by an earlier try of this task are skipped. */
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
      embedItems(work, batch.items, before, (prints) => savePartial(ports.store, run.id, kind, task, prints)),
    ),
    renewLocksPeriodically(ports, state, run, task),
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

/** Checking the locks costs a request. They last for minutes, so one task in this many is often enough. */
const TASKS_PER_RENEWAL = 5;

export async function renewLocksPeriodically(
  ports: Pick<ReindexPorts, 'redis'>,
  state: ReindexCheckpoint,
  run: RunRecord,
  task: number,
): Promise<void> {
  if (task % TASKS_PER_RENEWAL === 0) await keepLocks(ports.redis, lockedProjects(inputOf(run), state), run.id);
}

/**
 * Data from before there were projects has no lock. Building beside takes no locks: it may take days, and its vectors are
 * checked again at the end.
 */
export function lockedProjects({ beside }: ReindexInput, { projects }: ReindexCheckpoint): string[] {
  if (beside !== null) return [];
  return projects.map(({ project }) => project).filter((project) => project !== '');
}

const partialSchema = z.object({
  prints: z.array(z.union([z.null(), z.string(), z.tuple([z.string(), z.enum(SKIP_REASONS)])])),
});

/**
 * What an earlier try of a batch did before a limit ended it: the next try embeds only the rest. Otherwise a batch larger
 * than the limit of a whole minute would never finish.
 */
export async function loadPartial(
  store: ObjectStore,
  run: string,
  kind: 'embed' | 'late',
  task: number,
): Promise<readonly Fingerprint[]> {
  const found = await store.read(partialName(run, kind, task));
  return found === null ? [] : (partialSchema.safeParse(decodeJson(found.body)).data?.prints ?? []);
}

export async function savePartial(
  store: ObjectStore,
  run: string,
  kind: 'embed' | 'late',
  task: number,
  prints: readonly Fingerprint[],
): Promise<void> {
  const name = partialName(run, kind, task);
  const body = encodeJson({ prints });
  const found = await store.read(name);
  // Losing to a concurrent try of the same task only means that some texts are embedded again.
  await (found === null ? store.create(name, body) : store.swap(name, body, found.etag));
}

function partialName(run: string, kind: 'embed' | 'late', task: number): string {
  return `runs/${run}/partial/${kind}-${String(task).padStart(6, '0')}.json`;
}
