import type { StoredVector, VectorIndex } from '../../lib/ports/vector-index.js';
import type { RunRecord } from '../../lib/runs/model.js';

export interface Report {
  readonly embedded: number;
  readonly unchanged: number;
  readonly swept: number;
  readonly again: number;
  readonly calls: number;
  readonly tokens: number;
  readonly skipped: {
    readonly count: number;
    readonly byReason: Record<string, number>;
    readonly named: { readonly project: string; readonly id: string; readonly reason: string }[];
  };
  readonly conflicts: { readonly count: number; readonly named: { id: string; chosen: string }[] };
  readonly proof: Record<string, number>;
  readonly projects: (Record<string, number> & { readonly project: string })[];
}

export function reportOf(run: RunRecord): Report {
  if (run.result === null) throw new Error(`the run is ${run.state}: ${run.error?.message ?? 'without a result'}`);
  return run.result as unknown as Report;
}

/** All vectors of a namespace by id. */
export async function storedIn(index: VectorIndex, namespace: string): Promise<Map<string, StoredVector>> {
  const all = new Map<string, StoredVector>();
  let cursor: string | null = null;
  do {
    const page: Awaited<ReturnType<VectorIndex['range']>> = await index.range(namespace, cursor, 100);
    const ids = page.vectors.map(({ id }) => id);
    for (const vector of await index.fetch(namespace, ids)) if (vector !== null) all.set(vector.id, vector);
    cursor = page.next;
  } while (cursor !== null);
  return all;
}
