import { createHash } from 'node:crypto';
import { z } from 'zod';
import { AppError } from '../errors.js';
import { decodeJson, encodeJson } from '../json.js';
import type { ObjectStore, Signer } from '../ports/index.js';
import { manifestName, fenceOfPart } from './names.js';

/** The format that this version writes; it reads all formats from 1 up to this one. */
export const FORMAT_VERSION = 1;

const text = z.union([z.string(), z.object({ b: z.string() })]);
const size = z.object({ bytes: z.number().int().nonnegative(), sha256: z.string() });

export const partSchema = z.object({
  /** Name of the object within the snapshot. */
  name: z.string(),
  /** Records that begin in this part. */
  keys: z.number().int(),
  lines: z.number().int(),
  /** The JSON lines. */
  plain: size,
  /** The object: gzipped, and encrypted when there are recipients. */
  stored: size,
});
export type Part = z.infer<typeof partSchema>;

/** The object that lists the part in which each key begins, see key-index.ts. */
const keyIndexObjectSchema = z.object({ name: z.string(), stored: size });
export type KeyIndexObject = z.infer<typeof keyIndexObjectSchema>;

/** The name of a key: Text or, where parts are encrypted, the base64 of an age file that holds the key's bytes. */
export const ledgerKeySchema = z.union([text, z.object({ age: z.string() })]);
export type LedgerKey = z.infer<typeof ledgerKeySchema>;

const named = z.object({ key: ledgerKeySchema, reason: z.string() });
export type NamedKey = z.infer<typeof named>;

const tally = z.object({
  count: z.number().int(),
  /** The first 1,000 by name. */
  keys: z.array(named),
});

/** Not z.record: it drops `__proto__`, which may be the name of a project. */
export const tableSchema = z.custom<Record<string, number>>(
  (value) => typeof value === 'object' && value !== null && Object.values(value).every(Number.isInteger),
);

/** The ledger of a snapshot that is being taken. */
export const openLedgerSchema = z.object({
  /** Distinct keys whose record is in the parts. */
  saved: z.number().int(),
  /** Keys that SCAN returned and that were gone when they were read. */
  expiredMeanwhile: z.number().int(),
  /** Keys that were read more than once because they changed while they were read. */
  changedMeanwhile: tally,
  /** Keys of a type that has no record form. */
  unsupported: tally,
  /** Keys that should have been saved and could not be. Any makes the snapshot incomplete. */
  failed: tally,
});

export const ledgerSchema = openLedgerSchema.extend({
  /** How many of `expiredMeanwhile` were deleted, not expired. Absent where the server does not count expired keys. */
  vanished: z.number().int().optional(),
  /** With the keys counted by type; absent in older snapshots. */
  unsupported: tally.extend({ types: tableSchema.optional() }),
});
export type Ledger = z.infer<typeof ledgerSchema>;
export type OpenLedger = z.infer<typeof openLedgerSchema>;

export const usageSchema = z.object({
  requests: z.number(),
  commands: z.number(),
  bytesSent: z.number(),
  bytesReceived: z.number(),
});

export const countsSchema = z.object({
  keys: z.number().int(),
  byType: tableSchema,
  byFamily: tableSchema,
  byProject: tableSchema,
});
export type Counts = z.infer<typeof countsSchema>;

const duplicateSchema = z.object({ part: z.number().int(), line: z.number().int() });

/**
 * The file that a snapshot was imported from. `layers`: `age`, `gzip`, outermost first; `format`: `rdb`, `export` and so on.
 * `file`: its name, absent in an encrypted snapshot, because files are named after projects. `selection`: the selection of an
 * export in words, empty in an encrypted snapshot; absent where the file holds everything, or names no selection. `selected`:
 * the selection as JSON of a Selection; absent in older snapshots, and where the export did not store it. `database`: the
 * number of the database that was chosen in the file; absent where none was.
 */
const importedSchema = z.object({
  file: z.string().optional(),
  selection: z.string().optional(),
  selected: ledgerKeySchema.optional(),
  bytes: z.number().int(),
  sha256: z.string(),
  database: z.number().int().optional(),
  format: z.string(),
  layers: z.array(z.string()),
});
export type Imported = z.infer<typeof importedSchema>;

/** `code`: `restore-unfinished`, `restored-meanwhile`, `emptied` or `shrunk`; codes of newer versions are kept. */
const doubtSchema = z.object({ code: z.string(), detail: z.string() });
export type Doubt = z.infer<typeof doubtSchema>;

const manifestBody = z.object({
  formatVersion: z.number().int().min(1),
  id: z.string(),
  state: z.enum(['complete', 'incomplete']),
  tool: z.string(),
  /** Absent in a backup and in an import. */
  purpose: z.literal('safety').optional(),
  /**
   * In a safety snapshot: the restore that it undoes. `project` is null for a restore of everything, `target` is null for the
   * database that is backed up; `scope` is the JSON of any other scope, with `project` null. Absent: everything, no target.
   */
  undoes: z
    .object({ project: ledgerKeySchema.nullable(), target: z.string().nullable(), scope: ledgerKeySchema.optional() })
    .optional(),
  /** In a safety snapshot that lacks the keys of projects outside its scope. */
  partial: z.literal(true).optional(),
  createdAt: z.string(),
  /** The times of the first and the last SCAN request: each key was read at some moment between them. */
  window: z.object({ from: z.string(), to: z.string() }),
  /** SHA-256 of the database's host name: identifies a database without naming it. */
  source: z.string(),
  /** BACKUP_LABEL of the deployment that took it, such as `production`. */
  label: z.string().optional(),
  /** In a safety snapshot of another database than the protected one: the source of the protected database. */
  owner: z.string().optional(),
  /** In an imported snapshot, which is never `latest`: its `source` is computed from the file's bytes. */
  imported: importedSchema.optional(),
  dbsize: z.object({ before: z.number(), after: z.number() }),
  /** Absent in older snapshots, for which the names were read only once. */
  names: z
    .object({
      /** Walks over the names after the first pass. */
      walks: z.number().int(),
      /** Records that the walks added. */
      added: z.number().int(),
      /** Keys in DBSIZE beyond those that were seen, added or removed. Any makes the snapshot incomplete. */
      unexplained: z.number().int(),
    })
    .optional(),
  parts: z.array(partSchema),
  /** Absent in older snapshots. */
  keyIndex: keyIndexObjectSchema.optional(),
  counts: countsSchema,
  ledger: ledgerSchema,
  /** Records to skip: a later record of the same key follows, or the key disappeared while it was read. */
  doubles: z.array(duplicateSchema),
  fieldExpiry: z.enum(['read', 'none']),
  spent: usageSchema.extend({ estimatedUsd: z.number() }),
  recipients: z.array(z.string()),
  /** When all parts had been read back from the store and compared. */
  readBackAt: z.string(),
  previous: z.object({ id: z.string(), sha256: z.string() }).nullable(),
  /**
   * The place of the run that took it among the runs that held the same lease: the number of its first claim, and which
   * count the number is of. Absent in older snapshots, and in what restores saved and imports made.
   */
  order: z.object({ series: z.string(), fence: z.number().int().nonnegative() }).optional(),
  /** Why the database may not have been whole when it was read. Absent or empty: no reason is known. */
  doubts: z.array(doubtSchema).optional(),
});
export type ManifestBody = z.infer<typeof manifestBody>;

/** `sha256` and `signature` are over the JSON text of the body without white space, with its fields in the stored order. */
export const manifestSchema = manifestBody.extend({
  seal: z.object({ sha256: z.string(), signature: z.string().nullable() }),
});
export type Manifest = z.infer<typeof manifestSchema>;

/** The purpose of a snapshot: a backup, saved by a restore before it wrote, or imported from a file. */
export type Purpose = 'backup' | 'safety' | 'imported';

export function purposeOf({ imported, purpose }: Pick<Manifest, 'imported' | 'purpose'>): Purpose {
  return purpose ?? (imported === undefined ? 'backup' : 'imported');
}

/** A manifest with the SHA-256 of its stored object, to which the next snapshot of the chain links. */
export interface LoadedManifest {
  readonly manifest: Manifest;
  readonly sha256: string;
  /** The bytes that the manifest's hash and signature are over. */
  readonly sealed: Buffer;
}

export function sha256(bytes: Uint8Array | string): string {
  return createHash('sha256').update(bytes).digest('hex');
}

export function signManifest(body: ManifestBody, signer: Signer): Buffer {
  const signed = signedBytes(body);
  return encodeJson({ ...body, seal: { sha256: sha256(signed), signature: signer.sign(signed) } });
}

/** Null when there is no manifest. Throws `damaged` when it is invalid, `newer-format` for a newer format. */
export async function loadManifest(store: ObjectStore, id: string): Promise<LoadedManifest | null> {
  const found = await store.read(manifestName(id));
  return found === null ? null : parseManifest(id, found.body);
}

/** Parses the stored bytes of a manifest. Throws as `loadManifest` does. */
export function parseManifest(id: string, bytes: Buffer): LoadedManifest {
  let raw: Record<string, unknown>;
  try {
    raw = z.record(z.string(), z.unknown()).parse(decodeJson(bytes));
  } catch (cause) {
    throw damagedError(id, cause);
  }
  if (typeof raw['formatVersion'] === 'number' && raw['formatVersion'] > FORMAT_VERSION) {
    throw new AppError(
      'newer-format',
      `Snapshot ${id} has format ${raw['formatVersion']}, newer than ${FORMAT_VERSION}`,
      {
        hint: 'Use the version of soulcaster-backup that wrote it, or a newer one.',
      },
    );
  }
  const parsed = manifestSchema.safeParse(raw);
  if (!parsed.success || parsed.data.id !== id) throw damagedError(id, parsed.error);
  const body = Object.fromEntries(Object.entries(raw).filter(([name]) => name !== 'seal'));
  return { manifest: parsed.data, sha256: sha256(bytes), sealed: signedBytes(body) };
}

function signedBytes(body: object): Buffer {
  return Buffer.from(JSON.stringify(body));
}

function damagedError(id: string, cause: unknown): AppError {
  return new AppError('damaged', `The manifest of snapshot ${id} was altered or cut short`, {
    hint: 'Restore from another snapshot. If the bucket keeps versions, bring back the older version of the object.',
    cause,
  });
}

/** Total bytes of all parts of a snapshot: as JSON lines, and as stored. */
export interface Sizes {
  readonly plain: number;
  readonly stored: number;
}

export function sizesOf({ parts }: Manifest): Sizes {
  const sum = (which: 'plain' | 'stored'): number => parts.reduce((total, part) => total + part[which].bytes, 0);
  return { plain: sum('plain'), stored: sum('stored') };
}

/** Commands per second from the first to the last, including pauses between attempts; null for a window of no length. */
export function rateOf({ spent, window }: Manifest): number | null {
  const seconds = (Date.parse(window.to) - Date.parse(window.from)) / 1000;
  return seconds > 0 ? Math.round(spent.commands / seconds) : null;
}

/** The lowest and the highest fencing number in the names of the parts; null without parts. */
export function fencesOf({ parts }: Manifest): readonly [number, number] | null {
  const fences = parts.flatMap(({ name }) => fenceOfPart(name) ?? []);
  return fences.length === 0 ? null : [Math.min(...fences), Math.max(...fences)];
}
