import { assertSingleSource, inOrder } from '../snapshot/latest.js';
import { purposeOf } from '../snapshot/manifest.js';
import { isFromFuture } from '../snapshot/order.js';
import { catalog, type FullEntry } from '../snapshot/catalog.js';
import type { TrustContext } from '../snapshot/trust.js';
import { findKeys, type FoundKey, type Query } from './find.js';
import { isOfOneSnapshot, openEach, type InspectPorts, type OpenedMany, type OpenSnapshot } from './open.js';

interface SearchedSnapshot {
  readonly id: string;
  /** When the last keys were read for it. */
  readonly takenAt: string;
  /** `incomplete`: it lacks keys that existed, so a key that it lacks need not be gone. */
  readonly state: 'complete' | 'incomplete';
  /** Its keys that match the query. */
  readonly keys: number;
}

/** A key that was found, and the snapshots that hold it. */
export interface KeyHistory extends FoundKey {
  /** The first and the last snapshot that hold it. */
  readonly firstIn: string;
  readonly lastIn: string;
  /** How many snapshots hold it. */
  readonly snapshots: number;
  /** The first snapshot after `lastIn` whose lack of the key proves that it is gone; null when there is none. */
  readonly goneSince: { readonly id: string; readonly takenAt: string } | null;
}

export interface History {
  /** Oldest first. */
  readonly searched: readonly SearchedSnapshot[];
  /** In the order in which they were first found. */
  readonly keys: readonly KeyHistory[];
  /** Whether more keys match the query than are listed. */
  readonly more: boolean;
  /** Snapshots of this database that could not be searched, or not to their end. */
  readonly skipped: readonly { readonly id: string; readonly why: string }[];
}

interface Sighting {
  readonly found: FoundKey;
  readonly firstIn: string;
  lastIn: string;
  lastAt: number;
  snapshots: number;
}

interface SearchOptions {
  /** The most keys that are listed. */
  readonly limit: number;
  /** The current time in milliseconds since the epoch. Default: no snapshot counts as dated in the future. */
  readonly now?: number;
  readonly onSnapshot?: ((searched: SearchedSnapshot) => void) | undefined;
}

/**
 * Searches some snapshots, oldest first. Lists the first `limit` keys that are found and counts all. A key counts as gone
 * from the first complete snapshot on in which it no longer matches the query, whether by its name or by its value. A snapshot
 * that cannot be read to its end, or is dated in the future, does not prove that a key is gone. Throws the error of the last
 * snapshot where none could be searched.
 */
export async function searchSnapshots(
  snapshots: readonly OpenSnapshot[],
  query: Query,
  { limit, now = Infinity, onSnapshot = () => undefined }: SearchOptions,
): Promise<History> {
  const seen = new Map<string, Sighting>();
  const timeline: TimelineEntry[] = [];
  const skipped: { id: string; why: string }[] = [];
  let more = false;
  for (const snapshot of snapshots) {
    const { id, state, window } = snapshot.manifest;
    let keys = 0;
    try {
      for await (const found of findKeys(snapshot, query)) {
        keys += 1;
        const name = typeof found.key === 'string' ? `s${found.key}` : `b${found.key.b}`;
        const before = seen.get(name);
        if (before === undefined && seen.size >= limit) more = true;
        else seen.set(name, addSighting(before, found, id, timeline.length));
      }
    } catch (error) {
      if (!isOfOneSnapshot(error)) throw error;
      skipped.push({ id, why: error.message });
      if (skipped.length === snapshots.length) throw error;
      timeline.push({ searched: null, provesAbsence: false });
      continue;
    }
    const searched = { id, takenAt: window.to, state, keys };
    const provesAbsence = state === 'complete' && !isFromFuture({ id, manifest: snapshot.manifest }, now);
    timeline.push({ searched, provesAbsence });
    onSnapshot(searched);
  }
  const searched = timeline.flatMap((each) => each.searched ?? []);
  return { searched, skipped, more, keys: [...seen.values()].map((each) => historyOf(each, timeline)) };
}

interface TimelineEntry {
  /** Null where the snapshot was not searched to its end. */
  readonly searched: SearchedSnapshot | null;
  /** Whether a key that the snapshot lacks did not exist. */
  readonly provesAbsence: boolean;
}

function addSighting(before: Sighting | undefined, found: FoundKey, id: string, at: number): Sighting {
  return { found, firstIn: before?.firstIn ?? id, lastIn: id, lastAt: at, snapshots: (before?.snapshots ?? 0) + 1 };
}

function historyOf(
  { found, firstIn, lastAt, lastIn, snapshots }: Sighting,
  timeline: readonly TimelineEntry[],
): KeyHistory {
  const next = timeline.slice(lastAt + 1).find(({ provesAbsence }) => provesAbsence)?.searched ?? null;
  const goneSince = next === null ? null : { id: next.id, takenAt: next.takenAt };
  return { ...found, firstIn, lastIn, snapshots, goneSince };
}

/**
 * Opens the snapshots of this database, oldest first, except safety snapshots of restores and imported ones; `skipped` says why
 * others could not be opened. Throws `wrong-key` when none can be opened because no identity is set, and `usage` when no
 * database is configured and the store holds snapshots of several.
 */
export async function openAll(ports: InspectPorts, context: TrustContext): Promise<OpenedMany> {
  const { sources, store } = context;
  if (sources === null) await assertSingleSource(context);
  const entries: FullEntry[] = [];
  for await (const entry of catalog(store)) if (isSearched(entry, sources)) entries.push(entry);
  const newestFirst = (await inOrder(context, entries)).reverse();
  const { opened, skipped } = openEach({ ...ports, store }, newestFirst);
  return { opened: opened.reverse(), skipped: skipped.reverse() };
}

function isSearched({ manifest }: FullEntry, sources: ReadonlySet<string> | null): boolean {
  if (manifest === null) return true;
  return purposeOf(manifest) === 'backup' && (sources === null || sources.has(manifest.source));
}
