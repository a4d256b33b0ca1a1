import { type IgnoredObject, ignoredObjectsIn } from '../control/authenticated-store.js';
import type { Ports } from '../ports/index.js';
import { isOurs } from '../retention/policy.js';
import { isOver, type RunRecord } from '../runs/model.js';
import { timeOfId } from '../runs/ids.js';
import { listLeases, readLease } from '../runs/lease-document.js';
import { recentOf, runIds, runsOf } from '../runs/recent.js';
import { fieldsOf } from '../runs/traits.js';
import { listEntries } from '../snapshot/catalog-object.js';
import type { CatalogEntry } from '../snapshot/catalog.js';
import { purposeOf } from '../snapshot/manifest.js';
import { MOST_RUNS as MOST_IN_ORDER, type OrderedRun, runsOfEntries } from '../snapshot/order.js';
import { DATABASE_LEASE } from '../snapshot/run.js';
import type { ManifestSummary } from '../snapshot/summary.js';
import type { TrustContext } from '../snapshot/trust.js';
import { type Unfinished, unfinishedOf } from '../snapshot/unfinished-marks.js';
import { type IndexModels, loadIndexModels } from '../soulcaster/index-models.js';
import { drillHistory, withRunOutcome, type DrillHistory, type Drills, type IsOwn } from './drill-view.js';

/** A run without an update for this long is not under way. */
const SILENT_MS = 15 * 60_000;
const DAY_MS = 24 * 3_600_000;
const WINDOW_MS = 7 * DAY_MS;
const MOST_RUNS = 60;
const DRILLS = 10;

/** What is in the store: the basis of conditions and of the status. */
export interface Facts extends DrillHistory {
  readonly now: number;
  /** All snapshots, newest first. */
  readonly entries: readonly CatalogEntry[];
  /** Runs of the last week, newest first, and older ones that are not over, without runs of other databases in the same store. */
  readonly runs: readonly RunRecord[];
  /** Whether the week had more runs than `runs` holds; the earlier ones are then missing. */
  readonly hasMoreRuns: boolean;
  /** Runs known from the names of the snapshots' parts. */
  readonly runsOfParts: readonly OrderedRun[];
  /** What snapshots are assessed by. */
  readonly trust: Omit<TrustContext, 'store'>;
  /** Restores of the protected database that are not known to have ended well. */
  readonly unfinished: readonly Unfinished[];
  /** The unfinished restore that is under way; null when none is. */
  readonly restoring: string | null;
  /** Leases that cannot be read. */
  readonly unreadableLeases: readonly string[];
  /** Other control objects found so far that are ignored. */
  readonly ignored: readonly IgnoredObject[];
  /** What the vectors of each namespace were made with. */
  readonly models: IndexModels;
}

/**
 * Reads four listings, the catalogue and its changes since it was written, the leases, the models of the index, one object
 * for each of at most the last 60 runs, and ten drills, or more until one that passed is found.
 */
export async function gatherFacts(context: TrustContext, drills: Drills): Promise<Facts> {
  const { clock, own, store } = context;
  const now = clock.now();
  const since = now - WINDOW_MS;
  const listed = runIds(store);
  const listing = listEntries(context);
  const isOwn = ownRecords(context, () => listing);
  const [entries, ids, latest, history, unfinished, leases, models] = await Promise.all([
    listing,
    listed,
    listed.then((all) => recentOf(store, all, { since, limit: MOST_RUNS })),
    drillHistory(drills, DRILLS, isOwn),
    own === null ? [] : unfinishedOf(store, own),
    listLeases(store),
    loadIndexModels(store),
  ]);
  // A run that is not over may be older than the window: it still holds its lease.
  const known = new Set(latest.map(({ id }) => id));
  const holders = leases.flatMap(({ document }) => (document?.holder == null ? [] : [document.holder]));
  const older = await runsOf(
    store,
    holders.filter((id) => !known.has(id)),
  );
  const recent = [...latest, ...older.filter((run) => !isOver(run))];
  const runs: RunRecord[] = [];
  for (const run of recent) if (await isOwn({ source: run.source, snapshot: snapshotOf(run) })) runs.push(run);
  const restoring = await findRestoreUnderWay(context, runs, unfinished);
  return {
    now,
    entries,
    runs,
    hasMoreRuns: ids.filter((id) => timeOfId(id) >= since).length > MOST_RUNS,
    runsOfParts: runsOfEntries(entries.slice(0, MOST_IN_ORDER), context.signer, ids),
    trust: context,
    unfinished,
    restoring,
    unreadableLeases: leases.filter(({ document }) => document === null).map(({ name }) => name),
    models,
    ignored: ignoredBesideLeases(store),
    ...history,
    drills: history.drills.map((drill) => withRunOutcome(drill, runs, now)),
  };
}

/** The snapshot that a run took or used: the id of a run that takes a snapshot is the snapshot's. */
function snapshotOf({ id, input }: RunRecord): string | null {
  const { fromSource, snapshot } = fieldsOf(input);
  if (fromSource === true) return null;
  return typeof snapshot === 'string' ? snapshot : id;
}

/**
 * Returns whether a run or a drill is of the protected database: other databases may share the store. Records of older versions
 * do not name their database; the snapshot that they took or used does. A record without either counts.
 */
function ownRecords(
  trust: Pick<TrustContext, 'own' | 'sources'>,
  loadEntries: () => Promise<readonly CatalogEntry[]>,
): IsOwn {
  let entries: Promise<Map<string, CatalogEntry>> | undefined;
  return async ({ snapshot, source }) => {
    if (trust.sources === null) return true;
    if (source != null) return trust.sources.has(source);
    if (snapshot === null) return true;
    entries ??= loadEntries().then((all) => new Map(all.map((entry) => [entry.id, entry])));
    const entry = (await entries).get(snapshot);
    return entry === undefined || isOurs(entry, trust);
  };
}

/** The drills of the protected database, for what needs no other facts. */
export function ownDrills(context: TrustContext, drills: Drills): Promise<DrillHistory> {
  return drillHistory(
    drills,
    DRILLS,
    ownRecords(context, () => listEntries(context)),
  );
}

/** The snapshots of the protected database, newest first; other databases may share the store. Unreadable ones count. */
export function ownEntries({ entries, trust }: Pick<Facts, 'entries' | 'trust'>): CatalogEntry[] {
  return entries.filter((entry) => isOurs(entry, trust));
}

/** The newest backup of the protected database, complete or not. */
export function newestBackup(facts: Pick<Facts, 'entries' | 'trust'>): ManifestSummary | null {
  const isBackup = ({ manifest }: CatalogEntry): boolean => manifest !== null && purposeOf(manifest) === 'backup';
  return ownEntries(facts).find(isBackup)?.manifest ?? null;
}

/** Unreadable leases have their own alert. */
function ignoredBesideLeases(store: Ports['store']): IgnoredObject[] {
  return ignoredObjectsIn(store).filter(({ object }) => !object.startsWith('leases/'));
}

/** A restore that holds the lease of the database and was updated lately is under way. */
async function findRestoreUnderWay(
  { clock, store }: TrustContext,
  runs: readonly RunRecord[],
  marks: readonly Unfinished[],
): Promise<string | null> {
  if (marks.length === 0) return null;
  const holder = (await readLease(store, DATABASE_LEASE)).document?.holder;
  const run = runs.find(({ id }) => id === holder);
  const isAlive = run !== undefined && !isOver(run) && clock.now() - Date.parse(run.updatedAt) < SILENT_MS;
  return isAlive && marks.some((mark) => mark.run === run.id) ? run.id : null;
}
