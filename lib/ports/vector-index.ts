/** A vector as stored by Soulcaster. `metadata` contains only text. */
export interface StoredVector {
  readonly id: string;
  readonly values: Float32Array;
  readonly metadata: Readonly<Record<string, string>>;
}

export interface VectorMatch {
  readonly id: string;
  /** Upstash's score of a cosine: (1 + cos) / 2. */
  readonly score: number;
  readonly metadata: Readonly<Record<string, string>>;
}

/** One page of a walk through a namespace. */
export interface VectorPage {
  readonly vectors: readonly { readonly id: string; readonly metadata: Readonly<Record<string, string>> }[];
  /** The cursor of the next page; null after the last. */
  readonly next: string | null;
}

/** Identifies an index, and one of several sets of namespaces in it. */
export interface IndexPlace {
  /** The first 16 hexadecimal digits of the SHA-256 of the index's host. */
  readonly index: string;
  /** Suffix of the namespaces, after the project's id; usually ''. */
  readonly suffix: string;
}

export interface VectorIndexInfo {
  readonly dimensions: number;
  /** `COSINE`, `EUCLIDEAN` or `DOT_PRODUCT`. */
  readonly metric: string;
  /** Indexed and pending vectors, by namespace. */
  readonly namespaces: Readonly<Record<string, { readonly vectors: number; readonly pending: number }>>;
}

/**
 * A vector index with namespaces. Queries see writes a little later (`pending`). A namespace that does not exist is empty;
 * the default one is called ''. Failures are AppErrors: `vector-denied` (token), `vector-limit` (a quota that waiting does
 * not renew, permanent; or the rate limit, transient with `retryAfterMs`), `vector-quota` (the daily limit),
 * `vector-mismatch` (a vector of another dimension), `vector-refused` (this request will never be accepted because of an
 * id, its metadata or the namespace), `vector-unavailable` (transient).
 */
export interface VectorIndex {
  readonly place: IndexPlace;
  info(): Promise<VectorIndexInfo>;
  /** Writes up to 1,000 vectors, overwriting those with the same id. */
  upsert(namespace: string, vectors: readonly StoredVector[]): Promise<void>;
  /** The vectors with these ids (up to 1,000), in order; null for a missing one. */
  fetch(namespace: string, ids: readonly string[]): Promise<(StoredVector | null)[]>;
  /** Up to `limit` (1 to 1,000) vectors from `cursor` on; null starts a walk. */
  range(namespace: string, cursor: string | null, limit: number): Promise<VectorPage>;
  /** The `count` nearest vectors, best first. */
  query(namespace: string, values: Float32Array, count: number): Promise<VectorMatch[]>;
  /** Removes these ids (up to 1,000), or everything in the namespace. Removing a missing vector is no error. */
  remove(namespace: string, ids: readonly string[] | 'all'): Promise<void>;
}
