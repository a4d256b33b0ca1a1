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

/** One namespace: what was written is read at once, and searched when its delay is over. */
export class Namespace {
  private readonly records = new Map<string, StoredRecord>();
  /** Since when an id waits to be indexed, in the order of writing. */
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

  /** How often an id was ever written. */
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
   * In the order of first writing. The cursor is an offset, as the vendor's documentation has it: whoever removes
   * vectors in the middle of a walk will miss others.
   */
  page(from: number, limit: number, prefix: string): Page {
    const matching = this.withPrefix(prefix);
    const end = from + limit;
    return { records: matching.slice(from, end), nextCursor: end < matching.length ? String(end) : '' };
  }

  search(values: Float32Array, count: number): Neighbour[] {
    return this.nearest.search(values, count);
  }

  /** Gone for readers and for queries at once. */
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

  /** Indexes what has waited since `before` or longer, `most` writes at most. */
  settle(before: number, most: number): void {
    let left = most;
    for (const [id, since] of this.waiting) {
      if (since > before || left-- <= 0) break;
      this.waiting.delete(id);
      const record = this.get(id);
      if (record !== undefined) this.nearest.put(id, record.vector);
    }
  }
}
