/** One backup that Upstash keeps of a database. */
export interface ProviderBackup {
  readonly id: string;
  readonly name: string;
  /** Milliseconds since the epoch. */
  readonly createdAt: number;
  /** `unknown`: a word that was not known when this was written. */
  readonly state: 'pending' | 'completed' | 'failed' | 'unknown';
  /** Null where Upstash does not say. */
  readonly bytes: number | null;
  /** Who had it made: somebody, or a schedule. */
  readonly made: 'by-hand' | 'daily' | 'hourly';
}

/** A database as Upstash's developer API shows it, without its credentials. */
export interface ProviderDatabase {
  readonly id: string;
  readonly name: string;
  /** As in UPSTASH_REDIS_REST_URL. */
  readonly host: string;
  /** `free`, `payg`, `pro`, ...; empty where it is not told. */
  readonly plan: string;
  readonly region: string;
  /** `active`, `suspended`, `passive`. */
  readonly state: string;
  /** What is being done to it just now, in Upstash's word; null when nothing is. */
  readonly busy: string | null;
  /** Null where it is not told. */
  readonly dailyBackup: boolean | null;
}

/**
 * Upstash's developer API, as far as backups go. What is begun continues at Upstash: look at the list and at `busy` for
 * its end. Failures are AppErrors: `upstash-denied` (the key, or what it may do), `not-found` (no such database or
 * backup), `upstash-plan` (the database's plan has no backups), `upstash-refused` (any other no), `upstash-limit` (rate
 * limit: transient, with `retryAfterMs` when a time was named), `upstash-unavailable` (transient; after it, what was
 * asked for may have begun).
 */
export interface UpstashAccount {
  /** All databases of the account. */
  databases(): Promise<ProviderDatabase[]>;
  /** The standard REST token of a database: a secret. */
  restToken(id: string): Promise<string>;
  database(id: string): Promise<ProviderDatabase>;
  /** Newest first. */
  backups(database: string): Promise<ProviderBackup[]>;
  /** Begins one backup. Never sent twice. */
  createBackup(database: string, name: string): Promise<void>;
  deleteBackup(database: string, backup: string): Promise<void>;
  /** Deletes everything in `database`, then fills it from a backup of any database of the account. Never sent twice. */
  restoreBackup(database: string, backup: string): Promise<void>;
  setDailyBackup(database: string, on: boolean): Promise<void>;
}
