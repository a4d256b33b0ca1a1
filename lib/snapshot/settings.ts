/** What a snapshot may take. */
export interface SnapshotSettings {
  /** Requests to Redis under way at a time. */
  readonly inFlight: number;
  /** Plain bytes after which a part is closed. */
  readonly partBytes: number;
  /** Wire bytes a page of keys should come to. */
  readonly pageBytes: number;
  /** `safety`: taken before a restore, so that it can be undone. Never `latest`, and never what the objective is met by. */
  readonly purpose: 'backup' | 'safety';
  /** The restore that a safety snapshot undoes; see `undoes` in the manifest, where what names keys is encrypted. */
  readonly undoes?: { readonly project: string | null; readonly target: string | null; readonly scope?: string };
  /** Which keys are saved; absent: all. Where it is given, the manifest says `partial`. */
  readonly only?: (key: Buffer) => boolean;
  /** Types without a record form whose keys the operator does without: they do not make a snapshot incomplete. */
  readonly skipTypes: readonly string[];
  /** Name and version of this program, for the manifest. */
  readonly tool: string;
  /** BACKUP_LABEL of this deployment, for the manifest. */
  readonly label?: string;
  /** The source of the database that this deployment protects: what is saved of another one is kept by its rules. */
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
