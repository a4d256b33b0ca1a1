import { catalog, type FullEntry } from '../snapshot/catalog.js';
import type { TrustContext } from '../snapshot/trust.js';
import type { Text } from '../soulcaster/text.js';
import { findKeys, type FoundKey, type Query } from './find.js';
import { openEach, type InspectPorts, type OpenedMany, type OpenSnapshot } from './open.js';

interface SearchedSnapshot {
  readonly id: string;
  /** The last moment at which keys were read for it. */
  readonly takenAt: string;
  /** `incomplete`: it lacks keys that were there, so that one which it does not hold need not be gone. */
  readonly state: 'complete' | 'incomplete';
  /** Keys of it that answer the query. */
  readonly keys: number;
}

/** A key that was found, and over which snapshots. */
export interface KeyHistory extends FoundKey {
  /** The first and the last snapshot that holds it. */
  readonly firstIn: string;
  readonly lastIn: string;
  /** How many hold it. */
  readonly snapshots: number;
  /** The first complete snapshot after the last one that holds it; null when there is none. */
  readonly goneSince: { readonly id: string; readonly takenAt: string } | null;
}

export interface History {
  /** Those that were searched, oldest first. */
  readonly searched: readonly SearchedSnapshot[];
  /** By the order in which they were first found. */
  readonly keys: readonly KeyHistory[];
  /** Whether more keys answer the query than are named. */
  readonly more: boolean;
  /** Snapshots of this database that could not be searched. */
  readonly skipped: readonly { readonly id: string; readonly why: string }[];
}

interface Seen {
  readonly found: FoundKey;
  readonly firstIn: string;
  lastIn: string;
  lastAt: number;
  snapshots: number;
}

/**
 * Searches some snapshots, oldest first. Names the first `limit` keys that are found and counts all. A key counts as gone
 * from the first complete snapshot on that no longer answers the query, whatever the query is of: its name, or what is in it.
 */
export async function searchSnapshots(
  snapshots: readonly OpenSnapshot[],
  query: Query,
  limit: number,
  onSnapshot: (searched: SearchedSnapshot) => void = () => undefined,
): Promise<Pick<History, 'keys' | 'more' | 'searched'>> {
  const seen = new Map<string, Seen>();
  const searched: SearchedSnapshot[] = [];
  let more = false;
  for (const snapshot of snapshots) {
    const { id, state, window } = snapshot.manifest;
    let keys = 0;
    for await (const found of findKeys(snapshot, query)) {
      keys += 1;
      const name = nameOf(found.key);
      const before = seen.get(name);
      if (before === undefined && seen.size >= limit) more = true;
      else seen.set(name, seenIn(before, found, id, searched.length));
    }
    const one = { id, takenAt: window.to, state, keys };
    searched.push(one);
    onSnapshot(one);
  }
  return { searched, more, keys: [...seen.values()].map((each) => historyOf(each, searched)) };
}

function seenIn(before: Seen | undefined, found: FoundKey, id: string, at: number): Seen {
  return { found, firstIn: before?.firstIn ?? id, lastIn: id, lastAt: at, snapshots: (before?.snapshots ?? 0) + 1 };
}

function historyOf({ found, firstIn, lastAt, lastIn, snapshots }: Seen, all: readonly SearchedSnapshot[]): KeyHistory {
  const next = all.slice(lastAt + 1).find(({ state }) => state === 'complete');
  const goneSince = next === undefined ? null : { id: next.id, takenAt: next.takenAt };
  return { ...found, firstIn, lastIn, snapshots, goneSince };
}

/**
 * The snapshots of this database, oldest first, but for those that restores saved before they wrote, and why others could not
 * be opened. Throws `wrong-key` when none can for want of an identity.
 */
export async function openAll(ports: InspectPorts, { sources, store }: TrustContext): Promise<OpenedMany> {
  const entries: FullEntry[] = [];
  for await (const entry of catalog(store)) if (isOfInterest(entry, sources)) entries.push(entry);
  const { opened, skipped } = openEach({ ...ports, store }, entries);
  return { opened: opened.reverse(), skipped: skipped.reverse() };
}

function isOfInterest({ manifest }: FullEntry, sources: ReadonlySet<string> | null): boolean {
  if (manifest === null) return true;
  return manifest.purpose !== 'safety' && (sources === null || sources.has(manifest.source));
}

function nameOf(key: Text): string {
  return typeof key === 'string' ? `s${key}` : `b${key.b}`;
}
