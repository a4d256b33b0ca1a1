import { Refusal } from './input.js';
import { Namespace, type StoredRecord } from './namespace.js';
import type { Metric } from './nearest.js';

export interface StoreOptions {
  readonly dimensions: number;
  readonly metric: Metric;
  readonly indexDelayMs: number;
  /** Most writes that are indexed between two requests. */
  readonly indexAtOnce: number;
  /** Vectors that may be written in a day. */
  readonly updatesPerDay: number;
}

/** The namespaces of one index. The default one is always there, others come with their first vector. */
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

  /** The next day: as many may be written again. */
  renewDay(): void {
    this.updatesToday = 0;
  }

  /** Throws a Refusal when the day's limit does not let all be written: then none are. */
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

  /** Indexes what has waited long enough: there is no timer that could keep a process alive. */
  settle(): void {
    const before = Date.now() - this.indexDelayMs;
    for (const namespace of this.namespaces.values()) namespace.settle(before, this.indexAtOnce);
  }

  /** Empties one namespace, or all of them; they go on existing. */
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
