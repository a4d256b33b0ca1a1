import { exactSearch, MetricKind } from 'usearch';

/** Upstash's similarity functions (upstash.com/docs/vector/features/similarityfunctions). */
export type Metric = 'COSINE' | 'EUCLIDEAN' | 'DOT_PRODUCT';

export interface Neighbour {
  readonly id: string;
  /** 0 to 1, 1 for the most alike, as Upstash scores it. */
  readonly score: number;
}

/** Vectors by id, with a nearest-neighbour search. */
export interface Nearest {
  readonly size: number;
  put(id: string, values: Float32Array): void;
  /** Removes a vector; returns whether it existed. */
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
 * Compares with every vector, by usearch's exact search over rows in one block of memory: a few milliseconds for 5,000
 * vectors of 768 dimensions. Building usearch's approximate index takes seconds, and after `remove` that index (2.25) has
 * returned removed keys and searched without end.
 */
export function nearestByUsearch(dimensions: number, metric: Metric): Nearest {
  let rows = new Float32Array(dimensions);
  /** By row; the first row is row 0. */
  const ids: string[] = [];
  const rowOf = new Map<string, number>();

  function newRow(id: string): number {
    const row = ids.push(id) - 1;
    rowOf.set(id, row);
    if (ids.length * dimensions > rows.length) {
      const larger = new Float32Array(rows.length * 2);
      larger.set(rows);
      rows = larger;
    }
    return row;
  }

  return {
    get size() {
      return ids.length;
    },
    put(id, values) {
      // The row comes first: adding a row may move the block.
      const row = rowOf.get(id) ?? newRow(id);
      rows.set(values, row * dimensions);
    },
    drop(id) {
      const row = rowOf.get(id);
      if (row === undefined) return false;
      rowOf.delete(id);
      const last = ids.pop();
      if (last === undefined || last === id) return true;
      // The last row moves into the gap.
      rows.copyWithin(row * dimensions, ids.length * dimensions, (ids.length + 1) * dimensions);
      ids[row] = last;
      rowOf.set(last, row);
      return true;
    },
    clear() {
      ids.length = 0;
      rowOf.clear();
    },
    search(values, count) {
      if (ids.length === 0) return [];
      const most = Math.min(count, ids.length);
      const used = rows.subarray(0, ids.length * dimensions);
      // One thread: usearch's pool costs more than it saves here.
      const { keys, distances } = exactSearch(used, values, dimensions, most, KINDS[metric], 1);
      return [...keys].map((key, at) => ({
        id: ids[Number(key)] ?? '',
        score: scoreOf(metric, distances[at] ?? 0),
      }));
    },
  };
}

/** usearch's distance is 1 - cos, 1 - dot or the squared distance. */
function scoreOf(metric: Metric, distance: number): number {
  const score = metric === 'EUCLIDEAN' ? 1 / (1 + distance) : 1 - distance / 2;
  return Math.min(1, Math.max(0, score));
}
