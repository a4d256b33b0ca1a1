import { nearestByUsearch, type Metric, type Nearest, type Neighbour } from './nearest.js';

export interface StoredRecord {
  readonly id: string;
  readonly vector: Float32Array;
  readonly metadata?: Readonly<Record<string, unknown>>;
  readonly data?: string;
}

export interface Page {
  readonly records: StoredRecord[];
  /** Where the next page begins; empty after the last. */
  readonly nextCursor: string;
}

/** One namespace: reads see a write at once, queries after the index delay. */
export class Namespace {
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
