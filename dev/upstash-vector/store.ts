import { exactSearch, MetricKind } from 'usearch';

/** A refused request; `message` is returned as the `error` of the answer. */
export class Refusal extends Error {
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
  }
}

/** Upstash's similarity functions (upstash.com/docs/vector/features/similarityfunctions). */
export type Metric = 'COSINE' | 'EUCLIDEAN' | 'DOT_PRODUCT';

interface Neighbour {
  readonly id: string;
  /** 0 to 1, 1 for the most alike, as Upstash scores it. */
  readonly score: number;
}

/** Vectors by id, with a nearest-neighbour search. */
interface Nearest {
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

export interface StoredRecord {
  readonly id: string;
  readonly vector: Float32Array;
  readonly metadata?: Readonly<Record<string, unknown>>;
  readonly data?: string;
}

interface Page {
  readonly records: StoredRecord[];
  /** Where the next page begins; empty after the last. */
  readonly nextCursor: string;
}

/** One namespace: reads see a write at once, queries after the index delay. */
class Namespace {
  private readonly records = new Map<string, StoredRecord>();
  /** When the ids that wait to be indexed were written, in the order of writing. */
  private readonly waiting = new Map<string, number>();
  private readonly writes = new Map<string, number>();
  private readonly nearest: Nearest;

  constructor(dimensions: number, metric: Metric) {
    this.nearest = nearestByUsearch(dimensions, metric);
  }

  /** Vectors that queries see. */
  get indexed(): number {
    return this.nearest.size;
  }

  get pending(): number {
    return this.waiting.size;
  }

  /** How often an id was written. */
  writesOf(id: string): number {
    return this.writes.get(id) ?? 0;
  }

  upsert(record: StoredRecord, now: number): void {
    this.records.set(record.id, record);
    this.writes.set(record.id, this.writesOf(record.id) + 1);
    this.waiting.delete(record.id);
    this.waiting.set(record.id, now);
  }

  get(id: string): StoredRecord | undefined {
    return this.records.get(id);
  }

  withPrefix(prefix: string): StoredRecord[] {
    return [...this.records.values()].filter(({ id }) => id.startsWith(prefix));
  }

  /**
   * A page in the order of first writing. The cursor is an offset, as in the vendor's documentation: a client that removes
   * vectors during a walk misses others.
   */
  page(from: number, limit: number, prefix: string): Page {
    const matching = this.withPrefix(prefix);
    const end = from + limit;
    return { records: matching.slice(from, end), nextCursor: end < matching.length ? String(end) : '' };
  }

  search(values: Float32Array, count: number): Neighbour[] {
    return this.nearest.search(values, count);
  }

  /** Removes a vector for reads and queries at once. */
  remove(id: string): boolean {
    this.waiting.delete(id);
    this.nearest.drop(id);
    return this.records.delete(id);
  }

  clear(): void {
    this.records.clear();
    this.waiting.clear();
    this.nearest.clear();
  }

  /** Indexes up to `most` writes that were made before `before`. */
  indexWaiting(before: number, most: number): void {
    let left = most;
    for (const [id, since] of this.waiting) {
      if (since > before || left-- <= 0) break;
      this.waiting.delete(id);
      const record = this.get(id);
      if (record !== undefined) this.nearest.put(id, record.vector);
    }
  }
}

interface StoreOptions {
  readonly dimensions: number;
  readonly metric: Metric;
  readonly indexDelayMs: number;
  /** Most writes that are indexed between two requests. */
  readonly indexAtOnce: number;
  /** Daily limit of written vectors. */
  readonly updatesPerDay: number;
}

/** The namespaces of one index. The default one always exists; others are created by their first vector. */
export class VectorStore {
  readonly dimensions: number;
  indexDelayMs: number;
  indexAtOnce: number;
  private readonly updatesPerDay: number;
  private updatesToday = 0;
  private readonly metric: Metric;
  private readonly namespaces = new Map<string, Namespace>();

  constructor({ dimensions, metric, indexDelayMs, indexAtOnce, updatesPerDay }: StoreOptions) {
    this.updatesPerDay = updatesPerDay;
    this.dimensions = dimensions;
    this.metric = metric;
    this.indexDelayMs = indexDelayMs;
    this.indexAtOnce = indexAtOnce;
    this.namespaces.set('', new Namespace(dimensions, metric));
  }

  find(name: string): Namespace | undefined {
    return this.namespaces.get(name);
  }

  names(): string[] {
    return [...this.namespaces.keys()];
  }

  /** Starts the next day of the daily limit. */
  renewDay(): void {
    this.updatesToday = 0;
  }

  /** Writes all records, or none: throws a Refusal when they exceed the daily limit. */
  upsert(name: string, records: readonly StoredRecord[]): void {
    if (this.updatesToday + records.length > this.updatesPerDay) {
      throw new Refusal(429, `Exceeded daily write limit: ${this.updatesPerDay}`);
    }
    this.updatesToday += records.length;
    const namespace = this.find(name) ?? new Namespace(this.dimensions, this.metric);
    this.namespaces.set(name, namespace);
    const now = Date.now();
    for (const record of records) namespace.upsert(record, now);
  }

  /** Indexes the writes whose delay is over. Called by each request: a timer could keep the process alive. */
  indexWaiting(): void {
    const before = Date.now() - this.indexDelayMs;
    for (const namespace of this.namespaces.values()) namespace.indexWaiting(before, this.indexAtOnce);
  }

  /** Empties one namespace, or all; the namespaces remain. */
  reset(name: string | null): void {
    if (name !== null) this.find(name)?.clear();
    else for (const namespace of this.namespaces.values()) namespace.clear();
  }

  deleteNamespace(name: string): boolean {
    return this.namespaces.delete(name);
  }

  info(): object {
    const all = [...this.namespaces.values()];
    const indexed = all.reduce((sum, namespace) => sum + namespace.indexed, 0);
    return {
      vectorCount: indexed,
      pendingVectorCount: all.reduce((sum, { pending }) => sum + pending, 0),
      indexSize: indexed * this.dimensions * Float32Array.BYTES_PER_ELEMENT,
      dimension: this.dimensions,
      similarityFunction: this.metric,
      indexType: 'DENSE',
      denseIndex: { dimension: this.dimensions, similarityFunction: this.metric, embeddingModel: '' },
      namespaces: Object.fromEntries(
        [...this.namespaces].map(([name, { indexed: vectorCount, pending: pendingVectorCount }]) => [
          name,
          { vectorCount, pendingVectorCount },
        ]),
      ),
    };
  }
}
