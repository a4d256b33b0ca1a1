/** How a snapshot is taken. */
export interface SnapshotSettings {
  /** Requests to Redis in flight at a time. */
  readonly inFlight: number;
  /** Plain bytes after which a part is closed. */
  readonly partBytes: number;
  /** Target size of a page of keys, in bytes on the wire. */
  readonly pageBytes: number;
  /** `safety`: taken before a restore, so that it can be undone. Never `latest`, and never meets the objective. */
  readonly purpose: 'backup' | 'safety';
  /** The restore that a safety snapshot undoes; see `undoes` in the manifest, where names of keys are encrypted. */
  readonly undoes?: { readonly project: string | null; readonly target: string | null; readonly scope?: string };
  /** The keys to save; absent: all. Where it is given, the manifest has `partial`. */
  readonly only?: (key: Buffer) => boolean;
  /** Types without a record form whose keys need no backup: they do not make a snapshot incomplete. */
  readonly skipTypes: readonly string[];
  /** Name and version of this program, for the manifest. */
  readonly tool: string;
  /** BACKUP_LABEL of this deployment, for the manifest. */
  readonly label?: string;
  /** The source of the protected database: safety snapshots of other databases are kept by its retention rules. */
  readonly owner?: string;
}

const MIB = 1024 * 1024;

export const DEFAULT_SNAPSHOT_SETTINGS = {
  inFlight: 4,
  partBytes: 8 * MIB,
  pageBytes: 256 * 1024,
  purpose: 'backup',
  skipTypes: [] as readonly string[],
} as const;
