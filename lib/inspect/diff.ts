import { AppError } from '../errors.js';
import { isDue, keyOf, type RecordLine, type StreamValue } from '../snapshot/record.js';
import { hashSet } from '../redis/key-sets.js';
import { toText, type Text } from '../soulcaster/text.js';
import {
  needsFacts,
  keyMatcher,
  selectsAll,
  type FactsByProject,
  type KeyMatcher,
  type Selection,
} from '../soulcaster/selection.js';
import { selectionWords } from '../soulcaster/selection-words.js';
import { listFacts, mergeFacts } from '../soulcaster/project-scope.js';
import { diffTable, entryOf, projectOf, type DiffTable, type Kind, type Row, type Entry } from './diff-table.js';
import type { Held, OpenSnapshot } from './open.js';
import { gatherFacts, partsWith, recordsOf } from './records.js';

/** What a snapshot is compared with: another snapshot, or a live database. */
export interface Side {
  /** May give a key more than once. */
  entries(matches: KeyMatcher): AsyncIterable<Entry>;
  facts(projects: readonly string[]): Promise<FactsByProject>;
}

/** `type`, `value` or `expiry` (of the key or of its fields). */
type What = 'type' | 'value' | 'expiry';

export interface KeyChange extends Kind {
  readonly change: 'added' | 'removed' | 'changed';
  readonly key: Text;
  /** What differs; empty unless `change` is `changed`. */
  readonly what: readonly What[];
  /** Of a removed key: whether it had expired. */
  readonly expired?: boolean;
  /** With `values`: the elements that differ; null where a value is too large, or its type changed. */
  readonly fields?: readonly FieldChange[] | null;
  /** With `values`: how many more elements differ. */
  readonly moreFields?: number;
}

export interface DiffCount {
  readonly project: string | null;
  readonly family: string;
  added: number;
  removed: number;
  /** Removed keys that had expired. */
  expired: number;
  changed: number;
  same: number;
}

export interface DiffOptions {
  readonly selection: Selection;
  /** The keys that sides can hold which are parts of a database: other keys are not compared. */
  readonly within: readonly Held[];
  /** `counts`: no key is reported. `keys`: each key that differs. `values`: its fields as well. */
  readonly depth: 'counts' | 'keys' | 'values';
  /** The time of the other side in milliseconds since the epoch, called after it was read; a live database's own clock. */
  readonly now: () => number;
  readonly onChange: (change: KeyChange) => Promise<void> | void;
}

/** Records of changed keys that are held in memory for the comparison of their fields, in characters. */
const WAITING_CHARS = 8 * 1024 * 1024;

/** The most keys that memory is allocated for at the beginning; a table of more grows. */
const MOST_EXPECTED = 4_000_000;

interface Waiting {
  readonly after: RecordLine;
  readonly change: KeyChange;
}

/**
 * Compares a snapshot with another one, or with a live database, key by key, with about 40 bytes a key in memory. Both
 * sides are read once; the snapshot once more for the names of removed keys and, with `values`, once for every few
 * megabytes of changed values. A key that belongs to a selected project on either side is compared on both. Throws
 * `not-found` where neither side has a key of the selected projects or keys.
 */
export async function diff(before: OpenSnapshot, after: Side, options: DiffOptions): Promise<DiffCount[]> {
  const matches = await matcherOf(before, after, options);
  const parts = await partsWith(before, options.selection.keys);
  const { keys } = before.manifest.counts;
  const table = diffTable(selectsAll(options.selection) ? Math.min(keys, MOST_EXPECTED) : undefined);
  for await (const record of recordsOf(before, parts)) {
    if (matches(record.key, record.known) !== 'other') table.add(await entryOf(record));
  }
  const counts = counter();
  const waiting = new Map<string, Waiting>();
  let waitingChars = 0;
  const added = hashSet();
  for await (const entry of after.entries(matches)) {
    const change = changeOf(table, added, entry, counts);
    if (change === null || options.depth === 'counts') continue;
    if (change.change === 'changed' && options.depth === 'values' && entry.line !== null) {
      waiting.set(entry.key.toString('latin1'), { after: entry.line, change });
      waitingChars += JSON.stringify(entry.line).length;
      if (waitingChars < WAITING_CHARS) continue;
      await emitWaiting(before, waiting, options);
      waitingChars = 0;
    } else {
      await options.onChange(
        options.depth === 'values' && change.change === 'changed' ? { ...change, fields: null } : change,
      );
    }
  }
  await emitWaiting(before, waiting, options);
  await emitRemoved(before, parts, matches, table, counts, options);
  const rows = counts.all();
  assertNamesSomething(before.manifest.id, options.selection, rows);
  return rows;
}

/** A mistyped id must not read as equal. */
function assertNamesSomething(snapshot: string, selection: Selection, rows: readonly DiffCount[]): void {
  const { keys, projects } = selection;
  const isEmpty = rows.every(({ added, changed, removed, same }) => added + changed + removed + same === 0);
  if (!isEmpty || keys.length + projects.length === 0) return;
  throw new AppError(
    'not-found',
    `Neither snapshot ${snapshot} nor the other side has a key of ${selectionWords(selection)}`,
    {
      hint: `Check the spelling. The ids of the projects in it: \`npx soulcaster-backup ls ${snapshot} --family project --env-file .env\`.`,
    },
  );
}

/** A snapshot as the other side. */
export function snapshotSide(snapshot: OpenSnapshot, selection: Selection): Side {
  return {
    async *entries(matches) {
      for await (const record of recordsOf(snapshot, await partsWith(snapshot, selection.keys))) {
        if (matches(record.key, record.known) !== 'other') yield await entryOf(record);
      }
    },
    facts: (projects) => gatherFacts(projects, recordsOf(snapshot)),
  };
}

async function matcherOf(
  before: OpenSnapshot,
  after: Side,
  { selection, within }: Pick<DiffOptions, 'selection' | 'within'>,
): Promise<KeyMatcher> {
  const selected = needsFacts(selection) ? selection.projects : [];
  const projects = [...new Set([...selected, ...within.flatMap((held) => held.projects)])];
  const facts = projects.length === 0 ? new Map() : await factsOfBoth(before, after, projects);
  const matches = keyMatcher(selection, facts);
  if (within.length === 0) return matches;
  const matchers = within.map((held) => held.matcher(facts));
  return (key, known) => (matchers.some((holds) => holds(key, known) === 'other') ? 'other' : matches(key, known));
}

async function factsOfBoth(before: OpenSnapshot, after: Side, projects: readonly string[]): Promise<FactsByProject> {
  const [old, now] = [await gatherFacts(projects, recordsOf(before)), await after.facts(projects)];
  const both = projects.map((project) => {
    const lists = [old.get(project), now.get(project)].flatMap((facts) =>
      facts === undefined ? [] : [listFacts(facts)],
    );
    return [project, mergeFacts(lists)] as const;
  });
  return new Map(both);
}

/** Counts a key of the other side once; null when it is unchanged, or was counted before. */
function changeOf(
  table: DiffTable,
  added: ReturnType<typeof hashSet>,
  entry: Entry,
  counts: Counter,
): KeyChange | null {
  const { digest, key, known, project, type } = entry;
  const place = table.placeOf(key);
  const kind = { type, family: known.family, project };
  if (place < 0) {
    if (!added.add(key)) return null;
    counts.add(kind, 'added');
    return { change: 'added', key: toText(key), ...kind, what: [] };
  }
  if (!table.match(place)) return null;
  const row = table.row(place);
  const what = findDifferences(row, type, digest);
  counts.add(row, what.length === 0 ? 'same' : 'changed');
  return what.length === 0 ? null : { change: 'changed', key: toText(key), ...kind, what };
}

function findDifferences(row: Row, type: string, digest: Entry['digest']): What[] {
  if (row.type !== type) return ['type'];
  if (digest === null || row.value !== digest.value) {
    return digest !== null && row.expiry !== digest.expiry ? ['value', 'expiry'] : ['value'];
  }
  return row.expiry === digest.expiry ? [] : ['expiry'];
}

/** Reads the snapshot's records of the waiting keys, and reports which fields of each differ. */
async function emitWaiting(
  before: OpenSnapshot,
  waiting: Map<string, Waiting>,
  { onChange }: DiffOptions,
): Promise<void> {
  if (waiting.size === 0) return;
  const keys = [...waiting.values()].map(({ change }) => change.key);
  for await (const { first, key, rest } of recordsOf(before, await partsWith(before, keys))) {
    const name = key.toString('latin1');
    const found = waiting.get(name);
    if (found === undefined) continue;
    waiting.delete(name);
    const changes = rest === null ? fieldChanges(first, found.after) : null;
    await onChange({ ...found.change, fields: changes?.changes ?? null, moreFields: changes?.more ?? 0 });
    if (waiting.size === 0) return;
  }
}

/** Counts the keys of the snapshot that the other side does not have, and reports them unless only counts are wanted. */
async function emitRemoved(
  before: OpenSnapshot,
  parts: readonly number[],
  matches: KeyMatcher,
  table: DiffTable,
  counts: Counter,
  { depth, now, onChange }: DiffOptions,
): Promise<void> {
  if (counts.matched() === table.size) return;
  const time = now();
  for await (const { first, key, known } of recordsOf(before, parts)) {
    if (matches(key, known) === 'other' || table.isMatched(table.placeOf(keyOf(first)))) continue;
    const kind = { type: first.t, family: known.family, project: projectOf(known, first) };
    const expired = first.x !== undefined && isDue(first.x, time);
    counts.add(kind, expired ? 'expired' : 'removed');
    if (depth !== 'counts') await onChange({ change: 'removed', key: first.k, ...kind, what: [], expired });
  }
}

interface Counter {
  add(kind: Kind, outcome: 'added' | 'removed' | 'expired' | 'changed' | 'same'): void;
  /** Keys of the snapshot that the other side has. */
  matched(): number;
  /** By project, then family; keys without a project last. */
  all(): DiffCount[];
}

function counter(): Counter {
  const rows = new Map<string, DiffCount>();
  let matched = 0;
  return {
    add({ family, project }, outcome) {
      const name = JSON.stringify([project, family]);
      const row = rows.get(name) ?? { project, family, added: 0, removed: 0, expired: 0, changed: 0, same: 0 };
      rows.set(name, row);
      row[outcome] += 1;
      if (outcome === 'expired') row.removed += 1;
      if (outcome === 'changed' || outcome === 'same') matched += 1;
    },
    matched: () => matched,
    all: () => [...rows.values()].sort(byProject),
  };
}

function byProject(a: DiffCount, b: DiffCount): number {
  if (a.project !== b.project) return a.project === null || (b.project !== null && a.project > b.project) ? 1 : -1;
  return a.family < b.family ? -1 : 1;
}

/** The change of one element of a value. */
export interface FieldChange {
  /** The field, the member, the place in a list from 0, or the id in a stream; null for a whole string or document. */
  readonly field: Text | null;
  /** The value, of a set the member, of a sorted set the score; null where the element is absent. */
  readonly before: Text | null;
  readonly after: Text | null;
}

interface FieldChanges {
  /** The first changes, with long texts cut. */
  readonly changes: readonly FieldChange[];
  /** How many more there are. */
  readonly more: number;
}

const MAX_CHANGES = 100;
const MAX_TEXT = 2_000;

type Elements = Map<string, { readonly field: Text | null; readonly value: Text }>;

/** The elements that differ between two single-line records; null when their types differ. */
function fieldChanges(before: RecordLine, after: RecordLine): FieldChanges | null {
  if (before.t !== after.t) return null;
  const [old, now] = [elementsOf(before), elementsOf(after)];
  const changes: FieldChange[] = [];
  for (const [name, { field, value }] of old) {
    const other = now.get(name)?.value ?? null;
    if (!sameText(value, other)) changes.push(change(field, value, other));
  }
  for (const [name, { field, value }] of now) if (!old.has(name)) changes.push(change(field, null, value));
  return { changes: changes.slice(0, MAX_CHANGES), more: Math.max(0, changes.length - MAX_CHANGES) };
}

function elementsOf({ t, v }: RecordLine): Elements {
  const elements: Elements = new Map();
  const add = (field: Text | null, value: Text): void => void elements.set(nameOf(field), { field, value });
  if (t === 'string' || t === 'json') add(null, v as Text);
  else if (t === 'hash') for (const [field, value] of v as readonly (readonly [Text, Text])[]) add(field, value);
  else if (t === 'zset') for (const [member, score] of v as readonly (readonly [Text, string])[]) add(member, score);
  else if (t === 'set') for (const member of v as readonly Text[]) add(member, member);
  else if (t === 'list') for (const [at, item] of (v as readonly Text[]).entries()) add(String(at), item);
  else for (const [id, fields] of (v as StreamValue).entries) add(id, JSON.stringify(fields));
  return elements;
}

function nameOf(field: Text | null): string {
  return field === null || typeof field === 'string' ? `s${field ?? ''}` : `b${field.b}`;
}

function sameText(a: Text, b: Text | null): boolean {
  return typeof a === 'string' || b === null || typeof b === 'string' ? a === b : a.b === b.b;
}

function change(field: Text | null, before: Text | null, after: Text | null): FieldChange {
  return {
    field: field === null ? null : cut(field),
    before: before === null ? null : cut(before),
    after: after === null ? null : cut(after),
  };
}

/** Base64 is cut after a multiple of four characters. */
function cut(text: Text): Text {
  if (typeof text !== 'string') return { b: text.b.slice(0, MAX_TEXT) };
  return text.length > MAX_TEXT ? `${text.slice(0, MAX_TEXT)}...` : text;
}
