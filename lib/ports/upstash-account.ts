/** One backup that Upstash keeps of a database. */
export interface ProviderBackup {
  readonly id: string;
  readonly name: string;
  /** Milliseconds since the epoch. */
  readonly createdAt: number;
  /** `unknown`: a state that this version does not know. */
  readonly state: 'pending' | 'completed' | 'failed' | 'unknown';
  /** Null if Upstash does not report it. */
  readonly bytes: number | null;
  /** Whether an operator or a schedule started the backup. */
  readonly made: 'by-hand' | 'daily' | 'hourly';
}

/** A database as returned by Upstash's developer API, without its credentials. */
export interface ProviderDatabase {
  readonly id: string;
  readonly name: string;
  /** As in UPSTASH_REDIS_REST_URL. */
  readonly host: string;
  /** `free`, `payg`, `pro`, ...; empty if Upstash does not report it. */
  readonly plan: string;
  readonly region: string;
  /** `active`, `suspended`, `passive`. */
  readonly state: string;
  /** The operation in progress, in Upstash's term; null if there is none. */
  readonly busy: string | null;
  /** Null if Upstash does not report it. */
  readonly dailyBackup: boolean | null;
}

/**
 * The part of Upstash's developer API for backups. Operations continue at Upstash after the call: the list of backups and
 * `busy` show their end. Failures are AppErrors: `upstash-denied` (the key, or its permissions), `not-found` (no such
 * database or backup), `upstash-plan` (the database's plan has no backups), `upstash-refused` (any other refusal),
 * `upstash-limit` (rate limit: transient, with `retryAfterMs` when a time was named), `upstash-unavailable` (transient; the
 * operation may have begun).
 */
export interface UpstashAccount {
  /** All databases of the account. */
  databases(): Promise<ProviderDatabase[]>;
  /** The standard REST token of a database: a secret. */
  restToken(id: string): Promise<string>;
  database(id: string): Promise<ProviderDatabase>;
  /** Newest first. */
  backups(database: string): Promise<ProviderBackup[]>;
  /** Starts one backup. Never sent twice. */
  createBackup(database: string, name: string): Promise<void>;
  deleteBackup(database: string, backup: string): Promise<void>;
  /** Deletes everything in `database`, then fills it from a backup of any database of the account. Never sent twice. */
  restoreBackup(database: string, backup: string): Promise<void>;
  setDailyBackup(database: string, on: boolean): Promise<void>;
}
