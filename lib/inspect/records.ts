import { loadKeyIndex } from '../snapshot/key-index.js';
import { keyOf, type RecordLine } from '../snapshot/record.js';
import { sourceRecords, type SourceRecord } from '../snapshot/source-records.js';
import { fromText, type Fields, type Text } from '../soulcaster/text.js';
import { classifyKey, type ClassifiedKey } from '../soulcaster/keys.js';
import { factFields, factsOf, type ProjectFacts } from '../soulcaster/project-scope.js';
import {
  keyMatcher,
  needsFacts,
  type FactsByProject,
  type KeyMatcher,
  type Selection,
} from '../soulcaster/selection.js';
import type { OpenSnapshot } from './open.js';

/** A valid record with its classified key. `rest` must be read, if at all, before the next record. */
export interface KeyRecord extends SourceRecord {
  readonly key: Buffer;
  readonly known: ClassifiedKey;
}

/** The valid records that begin in these parts (default: all), in stored order. */
export async function* recordsOf(
  { manifest, encryptor, store }: OpenSnapshot,
  parts: Iterable<number> = manifest.parts.keys(),
): AsyncGenerator<KeyRecord> {
  for (const part of parts) {
    for await (const record of sourceRecords({ store, encryptor }, manifest, part)) {
      const key = keyOf(record.first);
      yield { ...record, key, known: classifyKey(key.toString('utf8')) };
    }
  }
}

/** The matcher of a selection, and the parts that may hold any of its records. */
export interface Chosen {
  readonly matches: KeyMatcher;
  readonly parts: readonly number[];
}

/**
 * Keys that are given by name are looked up in the index. For a project whose keys only facts determine, all parts are
 * read once before. `facts`: the facts of each project, where they are known already.
 */
export async function chooseRecords(
  snapshot: OpenSnapshot,
  selection: Selection,
  facts?: FactsByProject,
): Promise<Chosen> {
  const known =
    facts ?? (needsFacts(selection) ? await gatherFacts(selection.projects, recordsOf(snapshot)) : undefined);
  return { matches: keyMatcher(selection, known), parts: await partsWith(snapshot, selection.keys) };
}

/** The parts in which any of these keys may begin; all parts where no key is given or the snapshot has no index. */
export async function partsWith(snapshot: OpenSnapshot, keys: readonly Text[]): Promise<readonly number[]> {
  const all = [...snapshot.manifest.parts.keys()];
  if (keys.length === 0) return all;
  const index = await loadKeyIndex(snapshot, snapshot.manifest);
  if (index === null) return all;
  return [...new Set(keys.flatMap((key) => index.partsOf(fromText(key))))].sort((a, b) => a - b);
}

/** The selected records, in stored order. */
export async function* selectedRecords(snapshot: OpenSnapshot, selection: Selection): AsyncGenerator<KeyRecord> {
  const { matches, parts } = await chooseRecords(snapshot, selection);
  for await (const record of recordsOf(snapshot, parts)) {
    if (matches(record.key, record.known) !== 'other') yield record;
  }
}

/**
 * The record of one key; null when the snapshot does not hold it. With an index it reads the one part that holds the key
 * (rarely, once in thousands of times, another one before), and the next part while the record continues there.
 */
export async function findKey(snapshot: OpenSnapshot, key: Text): Promise<KeyRecord | null> {
  const wanted = fromText(key);
  for (const part of await partsWith(snapshot, [key])) {
    for await (const record of recordsOf(snapshot, [part])) if (record.key.equals(wanted)) return record;
  }
  return null;
}

type OpenFacts = { readonly [K in keyof ProjectFacts]: Set<string> };

/** Collects the facts of some projects from all records that hold any. Keeps only the ids in memory. */
export async function gatherFacts(
  projects: readonly string[],
  records: AsyncIterable<KeyRecord>,
): Promise<FactsByProject> {
  const wanted = new Set<Text>(projects);
  const facts = new Map<string, OpenFacts>(
    projects.map((project) => [project, { jobs: new Set(), clusters: new Set(), users: new Set() }]),
  );
  for await (const { first, known, rest } of records) {
    if (!mayHoldFacts(known, wanted)) continue;
    const value = factCollector(wanted);
    value.add(first);
    for await (const line of rest ?? []) value.add(line);
    for (const [project, all] of facts) {
      const found = factsOf(project, known, value.fields, value.members);
      for (const kind of ['jobs', 'clusters', 'users'] as const) for (const id of found[kind]) all[kind].add(id);
    }
  }
  return facts;
}

/** Whether a key may show which ids belong to any of these projects. */
export function mayHoldFacts({ family, project }: ClassifiedKey, projects: ReadonlySet<Text>): boolean {
  return family === 'job' || family === 'user-projects' || (project !== null && projects.has(project));
}

/** Collects the input of `factsOf` from a value that comes line by line. */
function factCollector(projects: ReadonlySet<Text>) {
  const fields: [Text, Text][] = [];
  const members: Text[] = [];
  return {
    fields: fields as Fields,
    members,
    add({ t, v }: RecordLine): void {
      if (t === 'hash') for (const [field, value] of factFields(v as Fields)) fields.push([field, value]);
      if (t === 'set') members.push(...(v as readonly Text[]).filter((member) => projects.has(member)));
    },
  };
}
