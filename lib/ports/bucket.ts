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
