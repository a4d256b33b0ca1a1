import type { Doubt, Imported, Manifest } from './manifest.js';
import { sha256 } from './manifest.js';
import { SAMPLE } from './recheck/evaluate.js';

/** Hex digits of a source that are shown. */
const SHOWN_DIGITS = 8;
const LABEL_LENGTH = 64;

/** The database that is backed up here; all fields are null where none is configured. */
export interface ProtectedDatabase {
  readonly host: string | null;
  readonly source: string | null;
  readonly label: string | null;
}

/** The identity of a database in manifests: SHA-256 of its host name. */
export function sourceOf(host: string): string {
  return sha256(host);
}

/** The first digits of a source, as lists show it and `snapshots adopt` takes it. */
export function shortSource(source: string): string {
  return source.slice(0, SHOWN_DIGITS);
}

/** A label that is safe to print: the object that holds it may be forged. */
export function plainLabel(label: string | undefined): string | null {
  const plain = (label ?? '')
    .replaceAll(/[^\x20-\x7e]/g, '?')
    .slice(0, LABEL_LENGTH)
    .trim();
  return plain === '' ? null : plain;
}

/** `this database`, or another one: `source 1a2b3c4d (staging)`, or the imported file. `own`: the source of the protected database. */
export function sourceWords(
  { imported, label, source }: Pick<Manifest, 'imported' | 'label' | 'source'>,
  own: string | null,
): string {
  if (imported !== undefined) return `imported from ${fileWords(imported)}, of an unknown database`;
  const name = plainLabel(label);
  const named = name === null ? '' : ` (${name})`;
  return source === own ? `this database${named}` : `source ${shortSource(source)}${named}`;
}

/** `the file dump.rdb`, or its hash where the name is not kept; and whether it holds only a selection. */
export function fileWords({ file, selection, sha256: hash }: Imported): string {
  const name = file === undefined ? `a file of SHA-256 ${hash.slice(0, 16)}` : `the file ${file}`;
  if (selection === undefined) return name;
  return `${name}, which holds a selection alone${selection === '' ? '' : ` (${selection})`}`;
}

/** Reasons why a snapshot may not hold the whole database. For older manifests without `doubts` they are computed from DBSIZE. */
export function doubtsOf({
  dbsize,
  doubts,
  purpose,
}: Pick<Manifest, 'dbsize' | 'doubts' | 'purpose'>): readonly Doubt[] {
  if (doubts !== undefined || purpose === 'safety') return doubts ?? [];
  return emptiedDoubt(dbsize);
}

const HALF_RESTORED: ReadonlySet<string> = new Set(['restore-unfinished', 'restored-meanwhile']);

/** Whether a doubt means that the snapshot may mix data from before and from after a restore. */
export function isHalfRestoredDoubt({ code }: Doubt): boolean {
  return HALF_RESTORED.has(code);
}

/**
 * The doubt that the database lost more than half of its keys while it was read, or that others replaced them: `gone` of the
 * `SAMPLE` keys that were read first had disappeared.
 */
export function emptiedDoubt({ before, after }: Manifest['dbsize'], gone = 0): Doubt[] {
  const doubt = (detail: string): Doubt[] => [{ code: 'emptied', detail }];
  if (after * 2 < before) return doubt(`the database held ${before} keys before it was read and ${after} after it`);
  if (gone === 0) return [];
  return doubt(`${gone} of the first ${SAMPLE} keys that were read were gone at the end`);
}
