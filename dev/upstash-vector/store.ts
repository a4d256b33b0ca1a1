import { Refusal } from './input.js';
import { Namespace, type StoredRecord } from './namespace.js';
import type { Metric } from './nearest.js';

export interface StoreOptions {
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
