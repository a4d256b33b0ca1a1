import type { Doubt, Imported, Manifest } from './manifest.js';
import { sha256 } from './manifest.js';
import { SAMPLE } from './recheck/evaluate.js';

/** This many hex digits of a source are shown. */
const SHOWN = 8;
const LABEL_LENGTH = 64;

/** The database that is backed up here, by name; all null where none is configured. */
export interface ProtectedDatabase {
  readonly host: string | null;
  readonly source: string | null;
  readonly label: string | null;
}

/** How a database is told from another in manifests: SHA-256 of its host name. */
export function sourceOf(host: string): string {
  return sha256(host);
}

/** The first digits of a source, as lists show it and `snapshots adopt` takes it. */
export function shortSource(source: string): string {
  return source.slice(0, SHOWN);
}

/** A label as it may be printed: it stands in an object that somebody else may have written. */
export function plainLabel(label: string | undefined): string | null {
  const plain = (label ?? '')
    .replaceAll(/[^\x20-\x7e]/g, '?')
    .slice(0, LABEL_LENGTH)
    .trim();
  return plain === '' ? null : plain;
}

/** `this database`, or which other one: `source 1a2b3c4d (staging)`, or the file it was made of. `own` is the source that is protected here. */
export function sourceWords(
  { imported, label, source }: Pick<Manifest, 'imported' | 'label' | 'source'>,
  own: string | null,
): string {
  if (imported !== undefined) return `imported from ${fileWords(imported)}, of a database that is not known`;
  const name = plainLabel(label);
  const named = name === null ? '' : ` (${name})`;
  return source === own ? `this database${named}` : `source ${shortSource(source)}${named}`;
}

/** `the file dump.rdb`, or by its hash where the name is not kept; and that it holds a selection alone. */
export function fileWords({ file, selection, sha256: hash }: Imported): string {
  const name = file === undefined ? `a file of SHA-256 ${hash.slice(0, 16)}` : `the file ${file}`;
  if (selection === undefined) return name;
  return `${name}, which holds a selection alone${selection === '' ? '' : ` (${selection})`}`;
}

/**
 * Why a snapshot may not show the database whole. In manifests from before doubts were written down, what they count
 * tells.
 */
export function doubtsOf({
  dbsize,
  doubts,
  purpose,
}: Pick<Manifest, 'dbsize' | 'doubts' | 'purpose'>): readonly Doubt[] {
  if (doubts !== undefined || purpose === 'safety') return doubts ?? [];
  return emptiedDoubt(dbsize);
}

const HALF_RESTORED: ReadonlySet<string> = new Set(['restore-unfinished', 'restored-meanwhile']);

/** Whether a doubt is that the snapshot may be partly of what was there before a restore, and partly of what it brought. */
export function isOfHalfRestored({ code }: Doubt): boolean {
  return HALF_RESTORED.has(code);
}

/**
 * While it was read the database lost more than half of its keys, or others took their place: `gone` of the `SAMPLE`
 * keys that were read first were not there any more.
 */
export function emptiedDoubt({ before, after }: Manifest['dbsize'], gone = 0): Doubt[] {
  const doubt = (detail: string): Doubt[] => [{ code: 'emptied', detail }];
  if (after * 2 < before) return doubt(`the database held ${before} keys before it was read and ${after} after it`);
  if (gone === 0) return [];
  return doubt(`${gone} of the first ${SAMPLE} keys that were there when it began were gone at its end`);
}
