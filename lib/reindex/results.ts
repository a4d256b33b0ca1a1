import type { Leg } from '../runs/model.js';
import type { EmbedResult } from './embed-task.js';
import { addSpent, NOTHING_SPENT, type SkipReason, type Spent } from './model.js';
import type { SettleResult } from './settle-task.js';

/** By project and id, the items that the settling left without a new vector, and why. */
export type SkippedItems = ReadonlyMap<string, ReadonlyMap<string, SkipReason>>;

export async function skippedBy(leg: Leg): Promise<SkippedItems> {
  const skipped = new Map<string, Map<string, SkipReason>>();
  for await (const { project, skipped: some } of settled(leg)) {
    const known = skipped.get(project) ?? new Map<string, SkipReason>();
    for (const [id, reason] of some) known.set(id, reason);
    skipped.set(project, known);
  }
  return skipped;
}

/** What the settling of every batch came to, by ascending number. */
export async function* settled(leg: Leg): AsyncGenerator<SettleResult> {
  for await (const { result } of leg.results('settle')) yield result as unknown as SettleResult;
}

/** What embedding took before the settling. */
export async function embeddingSpent(leg: Leg): Promise<Spent> {
  let spent = NOTHING_SPENT;
  for (const phase of ['embed', 'late']) {
    for await (const { result } of leg.results(phase))
      spent = addSpent(spent, (result as unknown as EmbedResult).spent);
  }
  return spent;
}
