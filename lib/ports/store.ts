/** One object in a listing. */
export interface StoredObject {
  readonly name: string;
  /** Stored size in bytes. */
  readonly size: number;
  /** Milliseconds since the epoch, by the store's clock. */
  readonly modifiedAt: number;
  /** Changes with every write, even of the same content; only to be compared. Absent if the store has none. */
  readonly version?: string;
}

export interface StoredBody {
  readonly body: Buffer;
  /** Changes with the content; only to be compared and passed to `swap`. */
  readonly etag: string;
}

/** `created: false`: an object with other content already has the name. */
export type CreateResult = { readonly created: true; readonly etag: string } | { readonly created: false };

/**
 * Objects by name: a bucket with a prefix, or a folder. Names are relative, with `/` between segments, and use only the
 * characters `A-Z a-z 0-9 . _ -`; bodies are small enough to be held in memory.
 *
 * A write is atomic, is durable once the call has returned, and is visible to every later call of any process. Because a
 * response can be lost after the write was applied, `create` and `swap` report success when they find exactly the bytes
 * that they were to write; a body that must distinguish two writers contains something unique.
 *
 * Failures are AppErrors: `store-denied` (credentials or permissions), `store-full` (no space left),
 * `store-unavailable` (transient: unreachable, throttled, 5xx), `store-unsafe` (the store ignores conditional writes).
 */
export interface ObjectStore {
  /** Whether this is the second store: commands in messages then have the option --replica. Absent: it is not. */
  readonly isSecond?: boolean;
  /**
   * The object, or null if there is none. An object larger than any that this program writes is not read: its body is
   * returned empty, which every reader rejects.
   */
  read(name: string): Promise<StoredBody | null>;
  /** Writes the object if the name is free; never overwrites another. */
  create(name: string, body: Uint8Array): Promise<CreateResult>;
  /** Replaces the object if its etag is still `etag`; returns the new etag, or null if the object has changed or is gone. */
  swap(name: string, body: Uint8Array, etag: string): Promise<string | null>;
  /** Removes the object; removing a missing object is no error. */
  remove(name: string): Promise<void>;
  /** All objects whose name starts with `prefix`, in ascending byte order of their names. */
  list(prefix: string): AsyncIterable<StoredObject>;
  /** The distinct next segments under `prefix` (empty, or ending in `/`) that contain objects, ascending, without slashes. */
  folders(prefix: string): AsyncIterable<string>;
}

/** A protection that a bucket may have. */
export type Protection = 'versioning' | 'public-access' | 'encryption' | 'lifecycle' | 'object-lock';

/** Permissions that credentials must not have. Testing them reads, changes and removes nothing that exists. */
export type Forbidden = 'write-outside' | 'remove-kept' | 'remove-version' | 'read-policy';

/** A bucket, with the credentials of its owner. Failures are AppErrors: `store-denied`, `store-unavailable`, `store-unsafe`. */
export interface Bucket {
  exists(): Promise<boolean>;
  /** `objectLock`: most services allow the lock only for a bucket that is created with it. */
  create(options: { readonly objectLock: boolean }): Promise<void>;
  /** `unsupported`: the service does not have this protection. */
  state(protection: Protection): Promise<'on' | 'off' | 'unsupported'>;
  /**
   * Turns a protection on. `days`: for the lifecycle, after how many days old versions are removed; for the lock, how long
   * objects are kept. `unsupported`: the service does not accept the protection in this form.
   */
  enable(protection: Protection, days: number): Promise<'done' | 'unsupported'>;
  /** Turns off a protection that `enable` has just turned on. */
  disable(protection: Protection): Promise<void>;
  /** Tries a call that must be refused, and undoes it if it was allowed. */
  attempt(what: Forbidden): Promise<'refused' | 'allowed'>;
}
