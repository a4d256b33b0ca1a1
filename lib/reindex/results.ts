import type { Attempt } from '../runs/model.js';
import type { EmbedResult } from './embed-task.js';
import { addSpent, NOTHING_SPENT, type SkipReason, type Spent } from './model.js';
import type { ReconcileResult } from './reconcile-task.js';

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

/** Use of the embedder before reconciling. */
export async function embeddingSpent(attempt: Attempt): Promise<Spent> {
  let spent = NOTHING_SPENT;
  for (const phase of ['embed', 'late']) {
    for await (const { result } of attempt.results(phase))
      spent = addSpent(spent, (result as unknown as EmbedResult).spent);
  }
  return spent;
}
