import { isDeepStrictEqual } from 'node:util';
import { z } from 'zod';
import { type Imported, type Manifest, sha256 } from './manifest.js';
import { assertNotIgnored, evenUnproven, passOver } from '../control/authenticated-store.js';
import { newestBy, updateObject } from '../control/object.js';
import { encodeJson, parseStored } from '../json.js';
import type { ObjectStore } from '../ports/store.js';

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

/**
 * `guard/sources.json`: by the source of a database, which earlier ones it replaced; by `withdrawn:` and that source, which
 * adoptions were withdrawn, so that a copy of the list that still has them does not bring them back.
 */
const SOURCES_NAME = 'guard/sources.json';

const WITHDRAWN = 'withdrawn:';

const adoptedSchema = z.object({ source: z.string(), reason: z.string(), at: z.string() });
const sourcesSchema = z.record(z.string(), z.array(adoptedSchema));
type AdoptedSource = z.infer<typeof adoptedSchema>;
type Sources = z.infer<typeof sourcesSchema>;

/** Reads the sources whose snapshots are of this database: its own, those it adopted, and those that these adopted. */
export async function readAdoptedSources(store: ObjectStore, own: string): Promise<Set<string>> {
  const found = await store.read(SOURCES_NAME);
  const all = parse(found?.body);
  if (found !== null && all === UNREADABLE) passOver(store, SOURCES_NAME, found);
  return knownIn(all, own);
}

/** A source that `own` withdrew itself does not count, even if a source that `own` adopted had adopted it. */
function knownIn(all: Sources, own: string): Set<string> {
  const direct = new Set((all[own] ?? []).map(({ source }) => source));
  const withdrawn = new Set((all[WITHDRAWN + own] ?? []).map(({ source }) => source));
  const known = new Set([own]);
  // The loop also visits sources that are added to the set meanwhile.
  for (const source of known) {
    for (const { source: earlier } of all[source] ?? [])
      if (direct.has(earlier) || !withdrawn.has(earlier)) known.add(earlier);
  }
  return known;
}

/** Records that `own` replaces the database `adopted.source`; false when that is recorded already. */
export function adoptSource(store: ObjectStore, own: string, adopted: AdoptedSource): Promise<boolean> {
  return updateSources(store, (all) => {
    const list = all[own] ?? [];
    return list.some(({ source }) => source === adopted.source) ? null : { ...all, [own]: [...list, adopted] };
  });
}

/** Withdraws the adoption of `withdrawn.source`, also one by a source that `own` adopted; false when there is none. */
export function disownSource(store: ObjectStore, own: string, withdrawn: AdoptedSource): Promise<boolean> {
  return updateSources(store, (all) => {
    const list = all[own] ?? [];
    if (withdrawn.source === own || !knownIn(all, own).has(withdrawn.source)) return null;
    const left = list.filter(({ source }) => source !== withdrawn.source);
    const key = WITHDRAWN + own;
    return { ...all, [own]: left, [key]: newestOf([...(all[key] ?? []), withdrawn]) };
  });
}

/**
 * Adds the adoptions in `from` to those in `to`. One counts unless it was withdrawn later in either store. False when
 * nothing was written: there is no list, it cannot be read, or it adds nothing. Throws `wrong-key` where `to` has statements
 * that no accepted key signed, and that `from` lacks.
 */
export async function uniteSources(from: ObjectStore, to: ObjectStore): Promise<boolean> {
  const found = await from.read(SOURCES_NAME);
  const added = parse(found?.body);
  if (found === null || added === UNREADABLE) return false;
  return updateObject(to, SOURCES_NAME, 'The list of adopted sources', async (there) => {
    const before = parse(there?.body);
    const known = parse((await evenUnproven(to, SOURCES_NAME, there)) ?? undefined);
    if (!isDeepStrictEqual(unite(known, added), unite(before, added)))
      assertNotIgnored(to, SOURCES_NAME, 'The list of adopted sources');
    const united = unite(before, added);
    return there !== null && before !== UNREADABLE && isDeepStrictEqual(before, united) ? null : encodeJson(united);
  });
}

function unite(one: Sources, other: Sources): Sources {
  const owners = new Set([...Object.keys(one), ...Object.keys(other)]);
  const listOf = (owner: string): AdoptedSource[] => newestOf([...(one[owner] ?? []), ...(other[owner] ?? [])]);
  const lists = [...owners].map((owner): [string, AdoptedSource[]] => {
    const withdrawn = new Map(listOf(WITHDRAWN + owner).map(({ source, at }) => [source, at]));
    return [owner, listOf(owner).filter(({ source, at }) => (withdrawn.get(source) ?? '') < at)];
  });
  return Object.fromEntries(lists);
}

/** Of each source the newest statement. */
function newestOf(list: readonly AdoptedSource[]): AdoptedSource[] {
  return newestBy(list, ({ source }) => source);
}

function updateSources(store: ObjectStore, edit: (all: Sources) => Sources | null): Promise<boolean> {
  return updateObject(store, SOURCES_NAME, 'The list of adopted sources', (found) => {
    const next = edit(parse(found?.body));
    return next === null ? null : encodeJson(next);
  });
}

const UNREADABLE: Sources = {};

/** A list that cannot be read counts as empty. */
function parse(body: Buffer | undefined): Sources {
  return body === undefined ? {} : (parseStored(sourcesSchema, body) ?? UNREADABLE);
}
