/** A vector as Soulcaster stores it. `metadata` holds text alone. */
export interface StoredVector {
  readonly id: string;
  readonly values: Float32Array;
  readonly metadata: Readonly<Record<string, string>>;
}

export interface VectorMatch {
  readonly id: string;
  /** As Upstash reports a cosine: (1 + cos) / 2. */
  readonly score: number;
  readonly metadata: Readonly<Record<string, string>>;
}

/** One page of a walk through a namespace. */
export interface VectorPage {
  readonly vectors: readonly { readonly id: string; readonly metadata: Readonly<Record<string, string>> }[];
  /** Where the next page begins; null after the last. */
  readonly next: string | null;
}

/** Tells the vectors of one index from those of another, and namespaces beside each other in one index. */
export interface IndexPlace {
  /** The first 16 hexadecimal digits of the SHA-256 of the index's host. */
  readonly index: string;
  /** What the names of its namespaces end in after the project's id; '' as a rule. */
  readonly suffix: string;
}

export interface VectorIndexInfo {
  readonly dimensions: number;
  /** `COSINE`, `EUCLIDEAN` or `DOT_PRODUCT`. */
  readonly metric: string;
  /** Vectors and not yet indexed vectors, by namespace. */
  readonly namespaces: Readonly<Record<string, { readonly vectors: number; readonly pending: number }>>;
}

/**
 * A vector index with namespaces. Writes are seen by queries a little later (`pending`). A namespace that does not
 * exist is empty; the default one is called ''. Failures are AppErrors: `vector-denied` (token), `vector-limit` (a quota
 * that waiting does not renew, permanent; or the rate limit, transient with `retryAfterMs`), `vector-quota` (the daily
 * limit), `vector-mismatch` (a vector of another dimension), `vector-refused` (this request will never be taken: an id,
 * its metadata or the namespace), `vector-unavailable` (transient).
 */
export interface VectorIndex {
  readonly place: IndexPlace;
  info(): Promise<VectorIndexInfo>;
  /** Writes up to 1,000 vectors over those of the same id. */
  upsert(namespace: string, vectors: readonly StoredVector[]): Promise<void>;
  /** The vectors of these ids (up to 1,000), in order; null for each that is not there. */
  fetch(namespace: string, ids: readonly string[]): Promise<(StoredVector | null)[]>;
  /** Up to `limit` (1 to 1,000) vectors from `cursor` on; null begins a walk. */
  range(namespace: string, cursor: string | null, limit: number): Promise<VectorPage>;
  /** The `count` nearest vectors, best first. */
  query(namespace: string, values: Float32Array, count: number): Promise<VectorMatch[]>;
  /** Removes these ids (up to 1,000), or everything in the namespace. Removing what is not there is no error. */
  remove(namespace: string, ids: readonly string[] | 'all'): Promise<void>;
}
