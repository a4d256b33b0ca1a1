import { Index, MetricKind } from 'usearch';

/** Upstash's names of its similarity functions (upstash.com/docs/vector/features/similarityfunctions). */
export type Metric = 'COSINE' | 'EUCLIDEAN' | 'DOT_PRODUCT';

export interface Neighbour {
  readonly id: string;
  /** 0 to 1, 1 for the most alike, as Upstash scores it. */
  readonly score: number;
}

/** Vectors by id, and which of them are nearest to another. */
export interface Nearest {
  readonly size: number;
  put(id: string, values: Float32Array): void;
  /** Whether it was there. */
  drop(id: string): boolean;
  clear(): void;
  /** At most `count`, best first. */
  search(values: Float32Array, count: number): Neighbour[];
}

const KINDS: Readonly<Record<Metric, MetricKind>> = {
  COSINE: MetricKind.Cos,
  EUCLIDEAN: MetricKind.L2sq,
  DOT_PRODUCT: MetricKind.IP,
};

/**
 * An approximate index (HNSW, by usearch) that is only ever added to: after `remove`, usearch 2.25 has been seen to
 * return keys that are gone and to search for ever. So each write gets a key of its own, a replaced or dropped one goes
 * stale and is left out of results, and when more are stale than live, the index is built anew.
 */
export function nearestByUsearch(dimensions: number, metric: Metric): Nearest {
  const empty = (): Index => new Index(dimensions, KINDS[metric]);
  const live = new Map<string, { readonly key: bigint; readonly values: Float32Array }>();
  let index = empty();
  let idOf = new Map<bigint, string>();
  let written = 0;

  function add(id: string, values: Float32Array): void {
    const key = BigInt(written++);
    // A thread of usearch's pool costs more than it saves for one vector.
    index.add(key, values, 1);
    idOf.set(key, id);
    live.set(id, { key, values });
  }

  function forget(id: string): boolean {
    const known = live.get(id);
    if (known === undefined) return false;
    idOf.delete(known.key);
    return live.delete(id);
  }

  function rebuild(): void {
    const kept = [...live];
    index = empty();
    idOf = new Map();
    written = 0;
    for (const [id, { values }] of kept) add(id, values);
  }

  return {
    get size() {
      return live.size;
    },
    put(id, values) {
      forget(id);
      add(id, values);
    },
    drop: forget,
    clear() {
      live.clear();
      rebuild();
    },
    search(values, count) {
      if (live.size === 0) return [];
      if (written > 2 * live.size) rebuild();
      const matches = index.search(values, Math.min(written, count + written - live.size), 1);
      const found = [...matches.keys].flatMap((key, at): Neighbour[] => {
        const id = idOf.get(key);
        return id === undefined ? [] : [{ id, score: scoreOf(metric, matches.distances[at] ?? 0) }];
      });
      return found.slice(0, count);
    },
  };
}

/** usearch's distance is 1 - cos, 1 - dot or the squared distance. */
function scoreOf(metric: Metric, distance: number): number {
  const score = metric === 'EUCLIDEAN' ? 1 / (1 + distance) : 1 - distance / 2;
  return Math.min(1, Math.max(0, score));
}
