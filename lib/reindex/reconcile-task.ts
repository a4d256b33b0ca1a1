import type { Json } from '../json.js';
import type { StoredVector } from '../ports/vector-index.js';
import { taskResult } from '../runs/markers.js';
import type { Attempt, RunRecord, Turn } from '../runs/model.js';
import { loadReconcileBatch, originOf } from './batches.js';
import { stateOf } from './checkpoint.js';
import type { ReindexPorts, ReindexSettings } from './context.js';
import {
  embedItems,
  type EmbedResult,
  type Fingerprint,
  hashOf,
  isAsWritten,
  renewLocksPeriodically,
} from './embed-task.js';
import { type ReadItem, readItems } from './items.js';
import { addSpent, type ItemRef, NOTHING_SPENT, type SkipReason, type Spent } from './model.js';
import { unlessRefused } from './refusal.js';

/** A type, not an interface: it is stored as JSON. */
export type ReconcileResult = {
  readonly project: string;
  /** Items whose vector is correct. */
  readonly embedded: number;
  /** Items embedded again because they or their vectors had changed. */
  readonly again: number;
  readonly gone: number;
  readonly skipped: readonly (readonly [id: string, reason: SkipReason])[];
  /** Ids whose vector still differs from what was written after all tries. */
  readonly wrong: readonly string[];
  readonly spent: Spent;
};

/** How often a vector that differs from what was written is written again. */
const TRIES = 3;
const READ_AGAIN_MS = 500;

interface StoredItem {
  readonly ref: ItemRef;
  readonly print: Fingerprint;
  readonly item: ReadItem;
  readonly stored: StoredVector | null;
}

/**
 * Checks the items of one batch and their vectors after everything has been embedded: edited items are embedded again, the
 * vectors of deleted items are removed, and a vector that differs from what was written is made again.
 */
export async function reconcileTask(
  ports: ReindexPorts,
  settings: ReindexSettings,
  run: RunRecord,
  task: number,
  signal: AbortSignal,
  turn: Turn,
): Promise<Json> {
  const state = stateOf(run);
  const { kind, number } = originOf(state, task);
  const [{ project, items: refs }, result] = await Promise.all([
    loadReconcileBatch(ports.store, run, state, task),
    taskResult(ports.store, run.id, kind, number),
    renewLocksPeriodically(ports, state, run, task),
  ]);
  const reconciled = await unlessRefused(ports.vectors, () =>
    reconcileItems({ ports, settings, project, signal, turn }, refs, (result as unknown as EmbedResult).prints),
  );
  return 'done' in reconciled ? reconciled.done : allRefusedResult(project, refs);
}

/** Items whose vectors the index refuses to return are reported like those whose vectors it refuses to store. */
function allRefusedResult(project: string, refs: readonly ItemRef[]): ReconcileResult {
  const skipped = refs.map(([id]) => [id, 'index-refused'] as const);
  return { project, embedded: 0, again: 0, gone: 0, skipped, wrong: [], spent: NOTHING_SPENT };
}

async function reconcileItems(
  work: Parameters<typeof embedItems>[0] & { readonly ports: ReindexPorts },
  refs: readonly ItemRef[],
  first: readonly Fingerprint[],
): Promise<ReconcileResult> {
  const { ports, settings, project, signal } = work;
  const all = new Map<string, StoredItem>();
  let spent = NOTHING_SPENT;
  const again = new Set<string>();
  let [due, prints] = [refs, first];
  for (let tries = 0; ; tries++) {
    const stored = await loadStoredItems(ports, settings, project, due, prints);
    for (const one of stored) all.set(one.ref[0], one);
    await removeInvalid(ports, project, stored);
    const wrong = stored.filter((one) => isWrong(one, settings.dimensions));
    if (wrong.length === 0 || tries >= TRIES) {
      return { ...countResults(project, [...all.values()], wrong), again: again.size, spent };
    }
    if (tries > 0) await ports.clock.sleep(READ_AGAIN_MS, signal);
    // Only wrong vectors are checked again.
    due = wrong.map(({ ref }) => ref);
    const placed = await embedItems(work, due);
    for (const [id] of due) again.add(id);
    prints = placed.prints;
    spent = addSpent(spent, placed.embedding.spent());
  }
}

async function loadStoredItems(
  { redis, vectors }: ReindexPorts,
  { cutCodePoints }: ReindexSettings,
  project: string,
  refs: readonly ItemRef[],
  prints: readonly Fingerprint[],
): Promise<StoredItem[]> {
  const ids = refs.map(([id]) => id);
  const [items, stored] = await Promise.all([
    readItems(redis, project, refs, cutCodePoints),
    vectors.fetch(project, ids),
  ]);
  return refs.map((ref, at) => ({
    ref,
    print: prints[at] ?? null,
    item: items[at] ?? 'gone',
    stored: stored[at] ?? null,
  }));
}

/** Removes the vectors of items that are deleted or cannot have one. */
async function removeInvalid({ vectors }: ReindexPorts, project: string, stored: readonly StoredItem[]): Promise<void> {
  const invalid = stored.filter(({ item, stored }) => stored !== null && (item === 'gone' || 'skip' in item));
  if (invalid.length === 0) return;
  await vectors.remove(
    project,
    invalid.map(({ ref: [id] }) => id),
  );
}

/** Whether an item must be embedded again. A text that the embedder refused before is not sent again. */
function isWrong({ item, print, stored }: StoredItem, dimensions: number): boolean {
  if (item === 'gone' || 'skip' in item) return false;
  if (hashOf(print) !== item.hash) return true;
  return typeof print === 'string' && !isAsWritten(stored, print, item.metadata, dimensions);
}

function countResults(project: string, stored: readonly StoredItem[], wrong: readonly StoredItem[]) {
  const skipped = stored.flatMap(({ ref: [id], item, print }): [string, SkipReason][] => {
    if (item !== 'gone' && 'skip' in item) return [[id, item.skip]];
    return item !== 'gone' && print !== null && typeof print !== 'string' ? [[id, print[1]]] : [];
  });
  const gone = stored.filter(({ item }) => item === 'gone').length;
  const named = new Set(skipped.map(([id]) => id));
  const wrongIds = wrong.map(({ ref: [id] }) => id).filter((id) => !named.has(id));
  const embedded = stored.length - gone - skipped.length - wrongIds.length;
  return { project, embedded, gone, skipped, wrong: wrongIds };
}

/** By project and id, the items that reconciling left without a new vector, and why. */
type SkippedItems = ReadonlyMap<string, ReadonlyMap<string, SkipReason>>;

export async function loadSkippedItems(attempt: Attempt): Promise<SkippedItems> {
  const skipped = new Map<string, Map<string, SkipReason>>();
  for await (const { project, skipped: some } of reconcileResults(attempt)) {
    const known = skipped.get(project) ?? new Map<string, SkipReason>();
    for (const [id, reason] of some) known.set(id, reason);
    skipped.set(project, known);
  }
  return skipped;
}

/** The results of reconciling each batch, by ascending number. */
export async function* reconcileResults(attempt: Attempt): AsyncGenerator<ReconcileResult> {
  for await (const { result } of attempt.results('settle')) yield result as unknown as ReconcileResult;
}
