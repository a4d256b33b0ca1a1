import { newId } from '../runs/ids.js';
import type { CatalogEntry } from '../snapshot/catalog.js';
import type { SnapshotState, TrustContext } from '../snapshot/trust.js';
import { applyPolicy } from './apply-policy.js';
import { isOurs, type Policy, type Reason, type RetentionEntry } from './policy.js';

const DAY_MS = 24 * 3_600_000;
/** Each of the next days is tried, then one a week, then one in four weeks. */
const DAYS = [...steps(1, 40, 1), ...steps(42, 400, 7), ...steps(420, 1200, 28)];

/** What becomes of a snapshot, as far as the policy says it. */
export interface Forecast {
  /** The rules that keep it now; those that let it go where none does. */
  readonly kept: readonly Reason[];
  /** The day on which no rule keeps it any more, to the precision of the steps; null: not within three years, or not known. */
  readonly goesAt: string | null;
}

type Context = Omit<TrustContext, 'store'>;

/**
 * What the policy says of each snapshot if one is taken every day from now on and each is verified. A prune reads the manifests
 * themselves and decides by those. Reads nothing.
 */
export function forecast(
  entries: readonly RetentionEntry[],
  policy: Policy,
  pinned: { has(id: string): boolean },
  now: number,
): ReadonlyMap<string, Forecast> {
  const policyAt = (all: readonly RetentionEntry[], time: number) =>
    applyPolicy(all, policy, { now: time, inUse: new Set(), pinned, lastRunsFailed: false });
  let there = [...entries];
  const first = policyAt(there, now);
  const kept = new Map(first.decisions.map(({ id, reasons }) => [id, reasons]));
  const goes = new Map<string, string>();
  if (first.held === null) {
    let day = 0;
    for (const until of [0, ...DAYS]) {
      for (; day < until; day++) there.push(takenAt(now + (day + 1) * DAY_MS));
      const gone = new Set(
        policyAt(there, now + until * DAY_MS).decisions.flatMap(({ id, keep }) => (keep ? [] : [id])),
      );
      for (const id of gone) if (kept.has(id)) goes.set(id, new Date(now + until * DAY_MS).toISOString());
      there = there.filter(({ id }) => !gone.has(id));
    }
  }
  return new Map(entries.map(({ id }) => [id, { kept: kept.get(id) ?? [], goesAt: goes.get(id) ?? null }]));
}

/** A snapshot as retention sees it, as far as the catalogue tells. `state`: what `assessor` says of it. */
export function retentionEntry(entry: CatalogEntry, state: SnapshotState, context: Context): RetentionEntry {
  return { ...entry, state, ours: isOurs(entry, context), vouched: state !== 'untrusted' && state !== 'unreadable' };
}

/** A snapshot of a night that is to come. */
function takenAt(time: number): RetentionEntry {
  return {
    id: newId(time),
    manifest: null,
    missingParts: 0,
    sizes: null,
    fences: null,
    sealed: null,
    sha256: '',
    newerFormat: false,
    verification: null,
    accepted: null,
    adopted: null,
    state: 'trusted',
    ours: true,
    vouched: true,
  };
}

function steps(from: number, to: number, by: number): number[] {
  return Array.from({ length: Math.floor((to - from) / by) + 1 }, (_, at) => from + at * by);
}
