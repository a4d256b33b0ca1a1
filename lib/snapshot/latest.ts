import { AppError } from '../errors.js';
import { timeOfId } from '../runs/ids.js';
import { recentOf, runIds } from '../runs/recent.js';
import { catalog, type CatalogEntry, type FullEntry } from './catalog.js';
import { purposeOf } from './manifest.js';
import { MOST_RUNS, orderOf, runsForOrder, runsOfEntries, type Order, type OrderedRun } from './order.js';
import { assess, type Assessment, type TrustContext } from './trust.js';

/** A snapshot that `latest` did not take although it is newer, and why. */
export interface PassedOver extends Assessment {
  readonly id: string;
}

export interface Latest<E extends CatalogEntry = CatalogEntry> {
  readonly entry: E | null;
  /** When it was begun, by the order of the runs, in milliseconds since the epoch; NaN when there is none. */
  readonly begun: number;
  /** Newest first, without those that restores saved. */
  readonly passedOver: readonly PassedOver[];
}

/**
 * The one meaning of `latest`: the newest snapshot of this database that can be relied on; null when there is none.
 * Throws `usage` where no database is configured and the store holds snapshots of several.
 */
export async function latestTrusted(context: TrustContext): Promise<FullEntry | null> {
  return (await findLatest(context)).entry;
}

/**
 * The same, with those that were passed over. With `at`, the newest that was finished at that time, in milliseconds since
 * the epoch. Newest is what was begun last by the order of the runs, whatever a clock that was ahead wrote.
 */
export async function findLatest(context: TrustContext, at = Infinity): Promise<Latest<FullEntry>> {
  const { store } = context;
  if (context.sources === null) await demandOneSource(context);
  if (at !== Infinity) return findLatestAt(context, at);
  const pick = latestPicker<FullEntry>(context, orderOf(await runsForOrder(context), context.clock.now()), at);
  for await (const entry of catalog(store)) if (pick.see(entry)) break;
  return pick.latest();
}

/** A time that has gone by may be long ago: all snapshots tell of the order. */
async function findLatestAt(context: TrustContext, at: number): Promise<Latest<FullEntry>> {
  const entries: FullEntry[] = [];
  for await (const entry of catalog(context.store)) entries.push(entry);
  // No snapshot is taken that may show what came after that time.
  const order = orderOf(await runsBeside(context, entries), context.clock.now(), 'behind');
  const pick = latestPicker<FullEntry>(context, order, at);
  entries.some((entry) => pick.see(entry));
  return pick.latest();
}

/** The newest runs, and those that took these snapshots. */
async function runsBeside(context: TrustContext, entries: readonly CatalogEntry[]): Promise<OrderedRun[]> {
  const ids = await runIds(context.store);
  const recent = await recentOf(context.store, ids, { since: 0, limit: MOST_RUNS });
  return [...recent, ...runsOfEntries(entries, context.signer, ids)];
}

/** The same of what was read before; `entries` are newest first, `runs` also those of `runsOfEntries`. Null where it cannot be told whose snapshot is meant. */
export function pickLatest(
  entries: readonly CatalogEntry[],
  runs: readonly OrderedRun[],
  context: Omit<TrustContext, 'store'>,
): Latest | null {
  if (context.sources === null && countSources(entries) > 1) return null;
  const pick = latestPicker(context, orderOf(runs, context.clock.now()), Infinity);
  entries.some((entry) => pick.see(entry));
  return pick.latest();
}

/**
 * What each of a store's snapshots is worth, for who shows them: as `latest` goes by it, so that one which was taken by a clock
 * that was ahead is `future` everywhere. `entries`: all there are, newest first.
 */
export async function assessor(
  context: TrustContext,
  entries: readonly CatalogEntry[],
): Promise<(entry: CatalogEntry) => Assessment> {
  const latest = pickLatest(entries, await runsBeside(context, entries.slice(0, MOST_RUNS)), context);
  return (entry) => assessBeside(entry, latest?.passedOver ?? [], context);
}

/** The same snapshots in the order in which they were taken, oldest first, whatever the clocks said. */
export async function inOrder<E extends CatalogEntry>(context: TrustContext, entries: readonly E[]): Promise<E[]> {
  const order = orderOf(await runsBeside(context, entries), context.clock.now());
  const byTime = entries.map((entry) => ({ entry, begun: order.begunAt(entry) })).sort((a, b) => a.begun - b.begun);
  const ordered: E[] = [];
  for (const { entry } of byTime) {
    // One that follows it all the same is dated before it, by a clock that was behind.
    const at = ordered.findIndex(({ id }) => order.follows(id, entry.id) === true);
    ordered.splice(at === -1 ? ordered.length : at, 0, entry);
  }
  return ordered;
}

/** The same, given what `latest` passed over. */
export function assessBeside(
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
    /** Takes the next older one into account; true when none that is older still can be newer. */
    see(entry: E): boolean {
      if (at !== Infinity && !(order.doneBy(entry) <= at)) return false;
      const assessment = assess(asOf(entry, at), context);
      const begun = order.begunAt(entry);
      const wasAhead = begun < Date.parse(entry.manifest?.window.from ?? '');
      if (isBackup(entry)) seen.push({ id: entry.id, wasAhead, ...assessment });
      if (assessment.state === 'trusted') {
        if (best === null || isNewer({ entry, begun }, best)) best = { entry, begun };
      }
      // Those to come are dated before this one.
      return best !== null && best.begun >= timeOfId(entry.id) && !order.isFollowedBefore(entry.id, best.entry.id);
    },
    latest(): Latest<E> {
      const { entry = null, begun = Number.NaN } = best ?? {};
      const newer =
        entry === null
          ? seen
          : seen.slice(
              0,
              seen.findIndex(({ id }) => id === entry.id),
            );
      const passedOver = newer.flatMap(({ wasAhead, ...assessment }): PassedOver[] => {
        if (assessment.state !== 'trusted') return [assessment];
        // One that is dated after `latest` by a clock that was right: the clock of `latest` was behind.
        return wasAhead ? [{ id: assessment.id, ...datedAhead(entry?.id ?? '') }] : [];
      });
      return { entry, begun, passedOver };
    },
  };
}

/** What an operator accepted later did not count yet. */
function asOf<E extends CatalogEntry>(entry: E, at: number): E {
  const counts = at === Infinity || entry.accepted === null || Date.parse(entry.accepted.at) <= at;
  return counts ? entry : { ...entry, accepted: null };
}

/** The newest snapshot of any kind but those that restores saved and imports made, whether it can be relied on or not. */
export async function findNewest({ store }: Pick<TrustContext, 'store'>): Promise<FullEntry | null> {
  for await (const entry of catalog(store)) if (isBackup(entry)) return entry;
  return null;
}

/** Whether a snapshot was taken for its own sake of a database, as far as its manifest can be read. */
function isBackup({ manifest }: CatalogEntry): boolean {
  return manifest === null || purposeOf(manifest) === 'backup';
}

/** Throws `usage` when it cannot be told whose snapshot is meant. */
export async function demandOneSource({ store }: TrustContext): Promise<void> {
  const entries: CatalogEntry[] = [];
  for await (const entry of catalog(store)) entries.push(entry);
  const count = countSources(entries);
  if (count > 1) throw severalSources(count);
}

function countSources(entries: readonly CatalogEntry[]): number {
  const own = entries.flatMap((entry) => (entry.manifest === null || !isBackup(entry) ? [] : [entry.manifest]));
  return new Set(own.map(({ source }) => source)).size;
}

function severalSources(count: number): AppError {
  return new AppError('usage', `The store holds snapshots of ${count} databases, and none is configured here`, {
    hint: 'Set UPSTASH_REDIS_REST_URL to the database that is meant, or name a snapshot by its id: `npx soulcaster-backup snapshots list --env-file .env`.',
  });
}

function datedAhead(after: string): Assessment {
  return { state: 'future', reasons: [`it was taken before ${after}, by a clock that was ahead`] };
}
