/** A protection that a bucket may have. */
export type Protection = 'versioning' | 'public-access' | 'encryption' | 'lifecycle' | 'object-lock';

/** What credentials are tried for that they must not have. Nothing that is there is read, changed or removed by it. */
export type Forbidden = 'write-outside' | 'remove-kept' | 'remove-version' | 'read-policy';

/**
 * A bucket as its owner sees it. Errors are AppErrors of the store's codes: `store-denied`, `store-unavailable`, `store-unsafe`.
 */
export interface Bucket {
  exists(): Promise<boolean>;
  /** `objectLock`: only a bucket that is made with it can have it, on most services. */
  create(options: { readonly objectLock: boolean }): Promise<void>;
  /** `unsupported`: the service does not know it. */
  state(protection: Protection): Promise<'on' | 'off' | 'unsupported'>;
  /**
   * Turns it on. `days`: of the lifecycle, after which old versions go; of the lock, how long objects stay. `unsupported`: the
   * service does not take it in this form.
   */
  enable(protection: Protection, days: number): Promise<'done' | 'unsupported'>;
  /** Turns off what `enable` has just turned on. */
  disable(protection: Protection): Promise<void>;
  /** Tries what must be refused; what was allowed after all is undone. */
  attempt(what: Forbidden): Promise<'refused' | 'allowed'>;
}
