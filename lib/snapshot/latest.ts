import { AppError } from '../errors.js';
import { timeOfId } from '../runs/ids.js';
import { recentOf, runIds } from '../runs/recent.js';
import { catalog, type CatalogEntry, type FullEntry } from './catalog.js';
import { purposeOf } from './manifest.js';
import { MOST_RUNS, orderOf, runsForOrder, runsOfEntries, type Order, type OrderedRun } from './order.js';
import { plainLabel, shortSource } from './source.js';
import { assess, type Assessment, type TrustContext } from './trust.js';

/** A snapshot that is newer than `latest`, and why it is not `latest`. */
export interface PassedOver extends Assessment {
  readonly id: string;
}

export interface Latest<E extends CatalogEntry = CatalogEntry> {
  readonly entry: E | null;
  /** When it was begun, corrected by the order of the runs, in milliseconds since the epoch; NaN when there is none. */
  readonly begun: number;
  /** Newest first, without safety snapshots and imports. */
  readonly passedOver: readonly PassedOver[];
}

/**
 * The definition of `latest`: the newest trusted snapshot of this database; null when there is none. Throws `usage` where
 * no database is configured and the store holds snapshots of several.
 */
export async function latestTrusted(context: TrustContext): Promise<FullEntry | null> {
  return (await findLatest(context)).entry;
}

/**
 * Finds `latest` and the snapshots that were passed over. With `at`, the newest that was finished by that time, in
 * milliseconds since the epoch. The newest is the one whose run began last by the order of the runs, even if a clock was ahead.
 */
export async function findLatest(context: TrustContext, at = Infinity): Promise<Latest<FullEntry>> {
  const { store } = context;
  if (context.sources === null) await assertSingleSource(context);
  if (at !== Infinity) return findLatestAt(context, at);
  const picker = latestPicker<FullEntry>(context, orderOf(await runsForOrder(context), context.clock.now()), at);
  for await (const entry of catalog(store)) if (picker.add(entry)) break;
  return picker.latest();
}

/** Finds the snapshot that was `latest` at a past time, with the order taken from all snapshots. */
async function findLatestAt(context: TrustContext, at: number): Promise<Latest<FullEntry>> {
  const entries: FullEntry[] = [];
  for await (const entry of catalog(context.store)) entries.push(entry);
  // In doubt a snapshot counts as taken later: it must not show what came after that time.
  const order = orderOf(await runsBeside(context, entries), context.clock.now(), 'behind');
  const picker = latestPicker<FullEntry>(context, order, at);
  entries.some((entry) => picker.add(entry));
  return picker.latest();
}

/** The newest runs, and the runs that took these snapshots. */
async function runsBeside(context: TrustContext, entries: readonly CatalogEntry[]): Promise<OrderedRun[]> {
  const ids = await runIds(context.store);
  const recent = await recentOf(context.store, ids, { since: 0, limit: MOST_RUNS });
  return [...recent, ...runsOfEntries(entries, context.signer, ids)];
}

/**
 * Finds `latest` among entries that were read before, newest first; `runs` include those of `runsOfEntries`. Null where no database
 * is configured and the entries are of several.
 */
export function pickLatest(
  entries: readonly CatalogEntry[],
  runs: readonly OrderedRun[],
  context: Omit<TrustContext, 'store'>,
): Latest | null {
  if (context.sources === null && countSources(entries) > 1) return null;
  const picker = latestPicker(context, orderOf(runs, context.clock.now()), Infinity);
  entries.some((entry) => picker.add(entry));
  return picker.latest();
}

/**
 * Assesses a store's snapshots for display in the same way as `latest` does, so that a snapshot taken by a clock that was ahead
 * is `future` everywhere. `entries`: all snapshots, newest first.
 */
export async function assessor(
  context: TrustContext,
  entries: readonly CatalogEntry[],
): Promise<(entry: CatalogEntry) => Assessment> {
  const latest = pickLatest(entries, await runsBeside(context, entries.slice(0, MOST_RUNS)), context);
  return (entry) => assessWithPassedOver(entry, latest?.passedOver ?? [], context);
}

/** The snapshots in the order in which they were taken, oldest first, independently of clocks. */
export async function inOrder<E extends CatalogEntry>(context: TrustContext, entries: readonly E[]): Promise<E[]> {
  const order = orderOf(await runsBeside(context, entries), context.clock.now());
  const byTime = entries.map((entry) => ({ entry, begun: order.begunAt(entry) })).sort((a, b) => a.begun - b.begun);
  const ordered: E[] = [];
  for (const { entry } of byTime) {
    // A snapshot that follows this one but is dated before it was taken by a clock that was behind.
    const at = ordered.findIndex(({ id }) => order.follows(id, entry.id) === true);
    ordered.splice(at === -1 ? ordered.length : at, 0, entry);
  }
  return ordered;
}

/** Assesses a snapshot, given the snapshots that `latest` passed over. */
export function assessWithPassedOver(
  entry: CatalogEntry,
  passedOver: readonly PassedOver[],
  context: Omit<TrustContext, 'store'>,
): Assessment {
  const found = passedOver.find(({ id }) => id === entry.id);
  return found === undefined ? assess(entry, context) : { state: found.state, reasons: found.reasons };
}

function latestPicker<E extends CatalogEntry = CatalogEntry>(
  context: Omit<TrustContext, 'store'>,
  order: Order,
  at: number,
) {
  interface Candidate {
    readonly entry: E;
    readonly begun: number;
  }
  const seen: (PassedOver & { readonly wasAhead: boolean })[] = [];
  let best: Candidate | null = null;
  const isNewer = ({ entry, begun }: Candidate, than: Candidate): boolean =>
    order.follows(entry.id, than.entry.id) ?? begun > than.begun;
  return {
    /** Adds the next entry by descending id; true when no later entry can have been begun later than the best. */
    add(entry: E): boolean {
      if (at !== Infinity && !(order.doneBy(entry) <= at)) return false;
      const assessment = assess(asOf(entry, at), context);
      const begun = order.begunAt(entry);
      const wasAhead = begun < Date.parse(entry.manifest?.window.from ?? '');
      if (isBackup(entry)) seen.push({ id: entry.id, wasAhead, ...assessment });
      if (assessment.state === 'trusted') {
        if (best === null || isNewer({ entry, begun }, best)) best = { entry, begun };
      }
      // All later entries are dated before this one.
      return best !== null && best.begun >= timeOfId(entry.id) && !order.isFollowedBefore(entry.id, best.entry.id);
    },
    latest(): Latest<E> {
      const { entry = null } = best ?? {};
      const newer =
        entry === null
          ? seen
          : seen.slice(
              0,
              seen.findIndex(({ id }) => id === entry.id),
            );
      const passedOver = newer.flatMap(({ wasAhead, ...assessment }): PassedOver[] => {
        if (assessment.state !== 'trusted') return [assessment];
        // Dated after `latest` by a clock that was right: the clock of `latest` was behind.
        return wasAhead ? [{ id: assessment.id, ...datedAhead(entry?.id ?? '') }] : [];
      });
      return { entry, begun: entry === null ? Number.NaN : order.begunAtLatest(entry), passedOver };
    },
  };
}

/** The entry as it was at that time: a later acceptance does not count. */
function asOf<E extends CatalogEntry>(entry: E, at: number): E {
  const counts = at === Infinity || entry.accepted === null || Date.parse(entry.accepted.at) <= at;
  return counts ? entry : { ...entry, accepted: null };
}

/** The newest snapshot in any state, except safety snapshots and imports. */
export async function findNewest({ store }: Pick<TrustContext, 'store'>): Promise<FullEntry | null> {
  for await (const entry of catalog(store)) if (isBackup(entry)) return entry;
  return null;
}

/** Whether a snapshot is no safety snapshot and no import, as far as its manifest can be read. */
function isBackup({ manifest }: CatalogEntry): boolean {
  return manifest === null || purposeOf(manifest) === 'backup';
}

/** Throws `usage` when the store holds snapshots of several databases. */
export async function assertSingleSource({ store }: TrustContext): Promise<void> {
  const entries: CatalogEntry[] = [];
  for await (const entry of catalog(store)) entries.push(entry);
  const count = countSources(entries);
  if (count > 1)
    throw new AppError('usage', `The store holds snapshots of ${count} databases, and none is configured here`, {
      hint: 'Set UPSTASH_REDIS_REST_URL to the database you want, or name a snapshot by its id: `npx soulcaster-backup snapshots list --env-file .env`.',
    });
}

function countSources(entries: readonly CatalogEntry[]): number {
  const own = entries.flatMap((entry) => (entry.manifest === null || !isBackup(entry) ? [] : [entry.manifest]));
  return new Set(own.map(({ source }) => source)).size;
}

function datedAhead(after: string): Assessment {
  return { state: 'future', reasons: [`it was taken before ${after}, by a clock that was ahead`] };
}

/** What the list of snapshots shows, in the API and in `--json`. Fields of the manifest are null if it cannot be read; sizes in bytes. */
export function describeSnapshot(
  { id, manifest, sizes }: CatalogEntry,
  { reasons, state }: Assessment,
  { sources }: Pick<TrustContext, 'sources'>,
) {
  return {
    id,
    state: manifest?.state ?? ('unreadable' as const),
    /** `safety`: taken by a restore before it wrote; `imported`: made from a file. */
    purpose: manifest === null ? null : purposeOf(manifest),
    /** Its state of trust: the newest `trusted` snapshot is `latest`. */
    trust: state,
    reasons,
    /** The first digits of its source, and the label of the deployment that took it. */
    source: manifest === null ? null : shortSource(manifest.source),
    label: plainLabel(manifest?.label),
    /** Whether it is of the protected database; null if unknown. */
    own: manifest === null || sources === null ? null : sources.has(manifest.source),
    keys: manifest?.counts.keys ?? null,
    parts: sizes?.parts ?? null,
    plainBytes: sizes?.plain ?? null,
    storedBytes: sizes?.stored ?? null,
    /** Keys of types that cannot be saved. */
    unsupported: manifest?.ledger.unsupported.count ?? null,
    /** Keys that DBSIZE counts but SCAN did not return; null also if the names were not scanned again. */
    unexplained: manifest?.names?.unexplained ?? null,
  };
}
