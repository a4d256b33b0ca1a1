import type { PlainDump, PlainEntry } from '../support/plain-dump.js';

/** What docs/decisions.md says of keys that are lists of members, for those that the hunt's data has. */
interface Family {
  readonly name: RegExp;
  readonly type: 'set' | 'zset';
  /** The key of a member. */
  readonly keyOf: (parts: readonly string[], member: string) => string;
  /** In lists of one group a member is in one only. */
  readonly group: (parts: readonly string[]) => string | null;
  /** Keys where a member has the same score. */
  readonly twins: (parts: readonly string[]) => readonly string[];
}

const item = ([project]: readonly string[], id: string): string => `feedback:${project ?? ''}:${id}`;

const FAMILIES: readonly Family[] = [
  {
    name: /^feedback:created:([^:]+)$/,
    type: 'zset',
    keyOf: item,
    group: () => null,
    twins: ([project]) => [`feedback:source:${project ?? ''}:manual`],
  },
  {
    name: /^feedback:source:([^:]+):([^:]+)$/,
    type: 'zset',
    keyOf: item,
    group: ([project]) => `source ${project ?? ''}`,
    twins: ([project]) => [`feedback:created:${project ?? ''}`],
  },
  {
    name: /^feedback:unclustered:([^:]+)$/,
    type: 'set',
    keyOf: item,
    group: ([project]) => `clustering ${project ?? ''}`,
    twins: () => [],
  },
  {
    name: /^cluster:([^:]+):([^:]+):items$/,
    type: 'set',
    keyOf: item,
    group: ([project]) => `clustering ${project ?? ''}`,
    twins: () => [],
  },
  {
    name: /^clusters:([^:]+):all$/,
    type: 'zset',
    keyOf: ([project], id) => `cluster:${project ?? ''}:${id}`,
    group: () => null,
    twins: () => [],
  },
  {
    name: /^user:projects:([^:]+)$/,
    type: 'set',
    keyOf: (_, id) => `project:${id}`,
    group: () => 'owner',
    twins: () => [],
  },
];

interface Found {
  readonly family: Family;
  readonly parts: readonly string[];
}

function familyOf(key: string): Found | null {
  for (const family of FAMILIES) {
    const match = family.name.exec(key);
    if (match !== null) return { family, parts: match.slice(1) };
  }
  return null;
}

/** The list that the key is, if it is one: then modes other than `replace` unite it. */
export function listIn(key: string, entry: PlainEntry | undefined): Found | null {
  const found = familyOf(key);
  return found !== null && entry?.type === found.family.type ? found : null;
}

/** Members with their scores as bits; `''` in a set. */
type Members = Map<string, string>;

function membersOf({ type, value }: PlainEntry): Members {
  if (type === 'set') return new Map((JSON.parse(value) as string[]).map((name) => [name, '']));
  return new Map(JSON.parse(value) as [string, string][]);
}

function entryOf(entry: PlainEntry, members: Members): PlainEntry | undefined {
  if (members.size === 0) return undefined;
  const names = [...members.keys()].sort();
  const items = entry.type === 'set' ? names : names.map((name) => [name, members.get(name)]);
  return { type: entry.type, expiresAt: entry.expiresAt, value: JSON.stringify(items) };
}

/** The groups in which these lists place their members, and the lists that do. */
function placesOf(lists: PlainDump): Map<string, Set<string>> {
  const places = new Map<string, Set<string>>();
  for (const [key, entry] of lists) {
    const found = listIn(key, entry);
    const group = found?.family.group(found.parts) ?? null;
    if (group === null) continue;
    for (const name of membersOf(entry).keys()) {
      const place = JSON.stringify([group, name]);
      places.set(place, (places.get(place) ?? new Set()).add(key));
    }
  }
  return places;
}

interface Sides {
  /** The live database's keys before, as far as they are of the scope. */
  readonly before: PlainDump;
  /** The snapshot's, with the times that they get. */
  readonly source: PlainDump;
  /** All that stands in the end but for lists, whose project it may be. */
  readonly want: PlainDump;
}

/** Puts into `want` what becomes of the lists of both sides when `merge` unites them: the snapshot decides. */
export function merged({ before, source, want }: Sides): void {
  const places = placesOf(source);
  for (const [key, entry] of source) {
    if (listIn(key, entry) === null) continue;
    const live = before.get(key);
    if (live?.type !== entry.type) want.set(key, entry);
    // With the expiry that the snapshot's list has by the rule.
    else put(want, key, entryOf(entry, new Map([...membersOf(live), ...membersOf(entry)])));
  }
  for (const [key, live] of before) {
    const found = listIn(key, live);
    const group = found?.family.group(found.parts) ?? null;
    const now = want.get(key);
    if (group === null || now?.type !== live.type) continue;
    const members = membersOf(now);
    for (const name of membersOf(live).keys()) {
      const at = places.get(JSON.stringify([group, name]));
      if (at !== undefined && !at.has(key)) members.delete(name);
    }
    put(want, key, entryOf(now, members));
  }
}

/** The same for `missing`: the live database decides, and a member's key has to be there. */
export function filledUp({ before, source, want }: Sides): void {
  const places = placesOf(before);
  const added = new Map<string, PlainEntry | undefined>();
  for (const [key, entry] of source) {
    const found = listIn(key, entry);
    const live = before.get(key);
    if (found === null || (live !== undefined && live.type !== entry.type)) continue;
    const { family, parts } = found;
    const group = family.group(parts);
    const members = live === undefined ? (new Map() as Members) : membersOf(live);
    for (const [name, score] of membersOf(entry)) {
      if (members.has(name) || (group !== null && places.has(JSON.stringify([group, name])))) continue;
      if (!want.has(family.keyOf(parts, name))) continue;
      const twins = family.twins(parts).map((twin) => {
        const list = before.get(twin);
        return list?.type === 'zset' ? membersOf(list).get(name) : undefined;
      });
      members.set(name, twins.find((bits) => bits !== undefined) ?? score);
    }
    added.set(key, entryOf(live ?? entry, members));
  }
  // Together: whether a member's key is there is asked of keys that are no lists.
  for (const [key, entry] of added) put(want, key, entry);
}

function put(want: PlainDump, key: string, entry: PlainEntry | undefined): void {
  if (entry === undefined) want.delete(key);
  else want.set(key, entry);
}
