/** One object as a listing shows it. */
export interface StoredObject {
  readonly name: string;
  /** Stored size in bytes. */
  readonly size: number;
  /** Milliseconds since the epoch, by the store's clock. */
  readonly modifiedAt: number;
  /** Another one after every write, whatever was written; only to be compared. Absent where the store has none. */
  readonly version?: string;
}

export interface StoredBody {
  readonly body: Buffer;
  /** Changes with every change of the content; only to be compared and handed back to `swap`. */
  readonly etag: string;
}

/** `created: false` means that the name was taken, by an object with other bytes than ours. */
export type CreateResult = { readonly created: true; readonly etag: string } | { readonly created: false };

/**
 * Objects by name: a bucket with a prefix, or a folder. Names are relative, with `/` between segments, of the
 * characters `A-Z a-z 0-9 . _ -` alone; bodies are small enough to be held in memory.
 *
 * A write is whole or not there at all, is durable once the call returned, and is seen by every later call of any
 * process. Since a reply can be lost after the write was applied, `create` and `swap` report success when they find
 * exactly the bytes that they were to write; a body that must tell two writers apart holds something unique.
 *
 * Failures are AppErrors: `store-denied` (credentials or permissions), `store-full` (no space left),
 * `store-unavailable` (transient: unreachable, throttled, 5xx), `store-unsafe` (the store ignores conditional writes).
 */
export interface ObjectStore {
  /**
   * The object, or null if there is none of that name. One that is larger than any this program writes is not read: it
   * comes with an empty body, which no reader takes for its own.
   */
  read(name: string): Promise<StoredBody | null>;
  /** Writes the object if the name is free, and never over another. */
  create(name: string, body: Uint8Array): Promise<CreateResult>;
  /** Replaces the object if its etag is still `etag`; returns the new etag, or null if it has changed or is gone. */
  swap(name: string, body: Uint8Array, etag: string): Promise<string | null>;
  /** Removes the object; removing what is not there is no error. */
  remove(name: string): Promise<void>;
  /** All objects whose name starts with `prefix`, in ascending byte order of their names. */
  list(prefix: string): AsyncIterable<StoredObject>;
  /** The distinct next segments under `prefix` (which is empty or ends in `/`) that hold objects, ascending, without slashes. */
  folders(prefix: string): AsyncIterable<string>;
}
