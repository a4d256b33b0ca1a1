import { demandOneSource, inOrder } from '../snapshot/latest.js';
import { purposeOf } from '../snapshot/manifest.js';
import { isFromFuture } from '../snapshot/order.js';
import { catalog, type FullEntry } from '../snapshot/catalog.js';
import type { TrustContext } from '../snapshot/trust.js';
import type { Text } from '../soulcaster/text.js';
import { findKeys, type FoundKey, type Query } from './find.js';
import { isOfOneSnapshot, openEach, type InspectPorts, type OpenedMany, type OpenSnapshot } from './open.js';

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
  /** The first snapshot after the last one that holds it which would hold it if it were there; null when there is none. */
  readonly goneSince: { readonly id: string; readonly takenAt: string } | null;
}

export interface History {
  /** Those that were searched, oldest first. */
  readonly searched: readonly SearchedSnapshot[];
  /** By the order in which they were first found. */
  readonly keys: readonly KeyHistory[];
  /** Whether more keys answer the query than are named. */
  readonly more: boolean;
  /** Snapshots of this database that could not be searched, or not to their end. */
  readonly skipped: readonly { readonly id: string; readonly why: string }[];
}

interface Seen {
  readonly found: FoundKey;
  readonly firstIn: string;
  lastIn: string;
  lastAt: number;
  snapshots: number;
}

export interface SearchOptions {
  /** As many keys are named. */
  readonly limit: number;
  /** The time here, in milliseconds since the epoch. Default: no snapshot is dated later. */
  readonly now?: number;
  readonly onSnapshot?: ((searched: SearchedSnapshot) => void) | undefined;
}

/**
 * Searches some snapshots, oldest first. Names the first `limit` keys that are found and counts all. A key counts as gone
 * from the first complete snapshot on that no longer answers the query, whatever the query is of: its name, or what is in it.
 * One that cannot be read to its end, or whose date is to come, tells of no key that it is gone. Throws what is wrong with the
 * last one where none could be searched.
 */
export async function searchSnapshots(
  snapshots: readonly OpenSnapshot[],
  query: Query,
  { limit, now = Infinity, onSnapshot = () => undefined }: SearchOptions,
): Promise<History> {
  const seen = new Map<string, Seen>();
  const timeline: Told[] = [];
  const skipped: { id: string; why: string }[] = [];
  let more = false;
  for (const snapshot of snapshots) {
    const { id, state, window } = snapshot.manifest;
    let keys = 0;
    try {
      for await (const found of findKeys(snapshot, query)) {
        keys += 1;
        const name = nameOf(found.key);
        const before = seen.get(name);
        if (before === undefined && seen.size >= limit) more = true;
        else seen.set(name, seenIn(before, found, id, timeline.length));
      }
    } catch (error) {
      if (!isOfOneSnapshot(error)) throw error;
      skipped.push({ id, why: error.message });
      if (skipped.length === snapshots.length) throw error;
      timeline.push({ searched: null, tells: false });
      continue;
    }
    const searched = { id, takenAt: window.to, state, keys };
    timeline.push({ searched, tells: state === 'complete' && !isFromFuture({ id, manifest: snapshot.manifest }, now) });
    onSnapshot(searched);
  }
  const searched = timeline.flatMap((each) => each.searched ?? []);
  return { searched, skipped, more, keys: [...seen.values()].map((each) => historyOf(each, timeline)) };
}

interface Told {
  /** Null where it was not searched to its end. */
  readonly searched: SearchedSnapshot | null;
  /** Whether what it does not hold was not there. */
  readonly tells: boolean;
}

function seenIn(before: Seen | undefined, found: FoundKey, id: string, at: number): Seen {
  return { found, firstIn: before?.firstIn ?? id, lastIn: id, lastAt: at, snapshots: (before?.snapshots ?? 0) + 1 };
}

function historyOf({ found, firstIn, lastAt, lastIn, snapshots }: Seen, all: readonly Told[]): KeyHistory {
  const next = all.slice(lastAt + 1).find(({ tells }) => tells)?.searched ?? null;
  const goneSince = next === null ? null : { id: next.id, takenAt: next.takenAt };
  return { ...found, firstIn, lastIn, snapshots, goneSince };
}

/**
 * The snapshots of this database, oldest first, but for those that restores saved before they wrote and those made of files, and
 * why others could not be opened. Throws `wrong-key` when none can for want of an identity, and `usage` when it cannot be told
 * whose snapshots are meant.
 */
export async function openAll(ports: InspectPorts, context: TrustContext): Promise<OpenedMany> {
  const { sources, store } = context;
  if (sources === null) await demandOneSource(context);
  const entries: FullEntry[] = [];
  for await (const entry of catalog(store)) if (isOfInterest(entry, sources)) entries.push(entry);
  const newestFirst = (await inOrder(context, entries)).reverse();
  const { opened, skipped } = openEach({ ...ports, store }, newestFirst);
  return { opened: opened.reverse(), skipped: skipped.reverse() };
}

function isOfInterest({ manifest }: FullEntry, sources: ReadonlySet<string> | null): boolean {
  if (manifest === null) return true;
  return purposeOf(manifest) === 'backup' && (sources === null || sources.has(manifest.source));
}

function nameOf(key: Text): string {
  return typeof key === 'string' ? `s${key}` : `b${key.b}`;
}
