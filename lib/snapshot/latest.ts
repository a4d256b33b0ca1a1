import { AppError } from '../errors.js';
import { recentRuns } from '../runs/recent.js';
import { timeOfId } from '../runs/ids.js';
import type { RunRecord } from '../runs/model.js';
import { catalog, type CatalogEntry } from './catalog.js';
import { begunAt, RUNS_FOR_ORDER } from './order.js';
import { assess, type Assessment, type TrustContext } from './trust.js';

/** A snapshot that `latest` did not take although it is newer, and why. */
export interface PassedOver extends Assessment {
  readonly id: string;
}

export interface Latest {
  readonly entry: CatalogEntry | null;
  /** Newest first, without those that restores saved. */
  readonly passedOver: readonly PassedOver[];
}

/**
 * The one meaning of `latest`: the newest snapshot of this database that can be relied on; null when there is none.
 * Throws `usage` where no database is configured and the store holds snapshots of several.
 */
export async function latestTrusted(context: TrustContext): Promise<CatalogEntry | null> {
  return (await findLatest(context)).entry;
}

/**
 * The same, with those that were passed over. With `at`, the newest that was finished at that time, in milliseconds since
 * the epoch. Newest is what was begun last by the order of the runs, whatever a clock that was ahead wrote.
 */
export async function findLatest(context: TrustContext, at = Infinity): Promise<Latest> {
  const { store } = context;
  if (context.sources === null) await demandOneSource(context);
  const pick = latestPicker(context, await recentRuns(store, { since: 0, limit: RUNS_FOR_ORDER }), at);
  for await (const entry of catalog(store)) if (pick.see(entry)) break;
  return pick.latest();
}

/** The same of what was read before; `entries` are newest first. Null where it cannot be told whose snapshot is meant. */
export function pickLatest(
  entries: readonly CatalogEntry[],
  runs: readonly RunRecord[],
  context: Omit<TrustContext, 'store'>,
): (Latest & { readonly begun: number }) | null {
  if (context.sources === null && countSources(entries) > 1) return null;
  const pick = latestPicker(context, runs.slice(0, RUNS_FOR_ORDER), Infinity);
  entries.some((entry) => pick.see(entry));
  return pick.latest();
}

function latestPicker(context: Omit<TrustContext, 'store'>, runs: readonly RunRecord[], at: number) {
  const passedOver: PassedOver[] = [];
  let best: { readonly entry: CatalogEntry; readonly begun: number } | null = null;
  const take = (entry: CatalogEntry): void => {
    const begun = begunAt(entry, runs);
    if (best !== null && begun <= best.begun) return;
    if (best !== null) passedOver.push({ id: best.entry.id, ...datedAhead(entry.id) });
    best = { entry, begun };
  };
  return {
    /** Takes the next older one into account; true when none that is older still can be newer. */
    see(entry: CatalogEntry): boolean {
      if (at !== Infinity && !(Date.parse(entry.manifest?.window.to ?? '') <= at)) return false;
      const assessment = assess(entry, context);
      if (assessment.state === 'trusted') take(entry);
      else if (assessment.state !== 'safety' && best === null) passedOver.push({ id: entry.id, ...assessment });
      // Those to come are dated before this one.
      return best !== null && best.begun >= timeOfId(entry.id);
    },
    latest: () => ({ entry: best?.entry ?? null, begun: best?.begun ?? Number.NaN, passedOver }),
  };
}

/** The newest snapshot of any kind but those that restores saved, whether it can be relied on or not. */
export async function findNewest({ store }: Pick<TrustContext, 'store'>): Promise<CatalogEntry | null> {
  for await (const entry of catalog(store)) if (entry.manifest?.purpose !== 'safety') return entry;
  return null;
}

/** Throws `usage` when it cannot be told whose snapshot is meant. */
async function demandOneSource({ store }: TrustContext): Promise<void> {
  const entries: CatalogEntry[] = [];
  for await (const entry of catalog(store)) entries.push(entry);
  const count = countSources(entries);
  if (count > 1) throw severalSources(count);
}

function countSources(entries: readonly CatalogEntry[]): number {
  const own = entries.flatMap(({ manifest }) => (manifest === null || manifest.purpose === 'safety' ? [] : [manifest]));
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
