import type { Json } from '../json.js';
import { taskResult } from '../runs/markers.js';
import type { StoredVector } from '../ports/vector-index.js';
import type { RunRecord, Turn } from '../runs/model.js';
import { originOf, readSettled } from './batches.js';
import { stateOf } from './checkpoint.js';
import type { ReindexPorts, ReindexSettings } from './context.js';
import { placeItems } from './embed/place.js';
import { hashOf, isAsWritten, type Print } from './embed/prints.js';
import { holdLocks, type EmbedResult } from './embed-task.js';
import { readItems, type ReadItem } from './items.js';
import { addSpent, NOTHING_SPENT, type ItemRef, type SkipReason, type Spent } from './model.js';
import { unlessRefused } from './refusal.js';

/** A type, not an interface: it is stored as JSON. */
export type SettleResult = {
  readonly project: string;
  /** Items whose vector is as it should be. */
  readonly embedded: number;
  /** Items embedded a second time, since they or their vectors were not as they were written. */
  readonly again: number;
  readonly gone: number;
  readonly skipped: readonly (readonly [id: string, reason: SkipReason])[];
  /** Ids whose vector is not as it was written, over and over. */
  readonly wrong: readonly string[];
  readonly spent: Spent;
};

/** How often a vector that is not as it was written is written again. */
const TRIES = 3;
const READ_AGAIN_MS = 500;

interface Standing {
  readonly ref: ItemRef;
  readonly print: Print;
  readonly item: ReadItem;
  readonly stored: StoredVector | null;
}

/**
 * Looks at the items of one batch and at their vectors, when everything has been embedded: what was edited since is
 * embedded again, what was deleted has its vector removed, and a vector that is not as it was written is made again.
 */
export async function settleTask(
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
    readSettled(ports.store, run, state, task),
    taskResult(ports.store, run.id, kind, number),
    holdLocks(ports, state, run, task),
  ]);
  const settling = await unlessRefused(() =>
    settleItems({ ports, settings, project, signal, turn }, refs, (result as unknown as EmbedResult).prints),
  );
  return 'done' in settling ? settling.done : refusedAll(project, refs);
}

/** What the index refuses to show is named, as what it refuses to take is. */
function refusedAll(project: string, refs: readonly ItemRef[]): SettleResult {
  const skipped = refs.map(([id]) => [id, 'index-refused'] as const);
  return { project, embedded: 0, again: 0, gone: 0, skipped, wrong: [], spent: NOTHING_SPENT };
}

async function settleItems(
  work: Parameters<typeof placeItems>[0] & { readonly ports: ReindexPorts },
  refs: readonly ItemRef[],
  first: readonly Print[],
): Promise<SettleResult> {
  const { ports, settings, project, signal } = work;
  let prints = first;
  let spent = NOTHING_SPENT;
  const again = new Set<string>();
  for (let tries = 0; ; tries++) {
    const standing = await standings(ports, settings, project, refs, prints);
    await removeDead(ports, project, standing);
    const wrong = standing.filter((one) => isWrong(one, settings.dimensions));
    if (wrong.length === 0 || tries >= TRIES) return { ...tally(project, standing, wrong), again: again.size, spent };
    if (tries > 0) await ports.clock.sleep(READ_AGAIN_MS, signal);
    const placed = await placeItems(
      work,
      wrong.map(({ ref }) => ref),
    );
    for (const { ref } of wrong) again.add(ref[0]);
    prints = merged(refs, prints, wrong, placed.prints);
    spent = addSpent(spent, placed.embedding.spent());
  }
}

async function standings(
  { redis, vectors }: ReindexPorts,
  { cutCodePoints }: ReindexSettings,
  project: string,
  refs: readonly ItemRef[],
  prints: readonly Print[],
): Promise<Standing[]> {
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

/** Removes the vectors of items that are gone, or cannot have one. */
async function removeDead({ vectors }: ReindexPorts, project: string, standing: readonly Standing[]): Promise<void> {
  const dead = standing.filter(({ item, stored }) => stored !== null && (item === 'gone' || 'skip' in item));
  if (dead.length === 0) return;
  await vectors.remove(
    project,
    dead.map(({ ref: [id] }) => id),
  );
}

/** Whether an item is to be embedded again. What the embedder would not take before is not asked for again. */
function isWrong({ item, print, stored }: Standing, dimensions: number): boolean {
  if (item === 'gone' || 'skip' in item) return false;
  if (hashOf(print) !== item.hash) return true;
  return typeof print === 'string' && !isAsWritten(stored, print, item.metadata, dimensions);
}

function merged(
  refs: readonly ItemRef[],
  prints: readonly Print[],
  wrong: readonly Standing[],
  news: readonly Print[],
) {
  const byId = new Map(wrong.map(({ ref: [id] }, at) => [id, news[at] ?? null]));
  return refs.map(([id], at) => byId.get(id) ?? (byId.has(id) ? null : (prints[at] ?? null)));
}

function tally(project: string, standing: readonly Standing[], wrong: readonly Standing[]) {
  const skipped = standing.flatMap(({ ref: [id], item, print }): [string, SkipReason][] => {
    if (item !== 'gone' && 'skip' in item) return [[id, item.skip]];
    return item !== 'gone' && print !== null && typeof print !== 'string' ? [[id, print[1]]] : [];
  });
  const gone = standing.filter(({ item }) => item === 'gone').length;
  const named = new Set(skipped.map(([id]) => id));
  const wrongIds = wrong.map(({ ref: [id] }) => id).filter((id) => !named.has(id));
  const embedded = standing.length - gone - skipped.length - wrongIds.length;
  return { project, embedded, gone, skipped, wrong: wrongIds };
}
