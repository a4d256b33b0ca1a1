import { newId } from '../runs/ids.js';
import type { CatalogEntry } from '../snapshot/catalog.js';
import type { SnapshotState, TrustContext } from '../snapshot/trust.js';
import { applyPolicy } from './apply-policy.js';
import { isOurs, type Policy, type Reason, type RetentionEntry, type Situation } from './policy.js';

const DAY_MS = 24 * 3_600_000;
/** Each of the next 40 days is simulated, then one day a week, then one in four weeks. */
const DAYS = [...steps(1, 40, 1), ...steps(42, 400, 7), ...steps(420, 1200, 28)];

/** How long the policy keeps a snapshot. */
export interface Forecast {
  /** The rules that keep it now; if none does, the reasons to remove it. */
  readonly kept: readonly Reason[];
  /** The first day without a rule that keeps it, to the precision of the steps; null: not within three years, or unknown. */
  readonly goesAt: string | null;
}

type Context = Omit<TrustContext, 'store'>;

interface Forecasts {
  /** Why nothing is removed now; then no snapshot has a date. */
  readonly held: string | null;
  readonly byId: ReadonlyMap<string, Forecast>;
}

/**
 * Computes how long each snapshot is kept if a verified snapshot is taken every day from now on. A prune decides by the
 * manifests themselves. Reads nothing.
 */
export function forecast(entries: readonly RetentionEntry[], policy: Policy, situation: Situation): Forecasts {
  const { now } = situation;
  const policyAt = (all: readonly RetentionEntry[], time: number) =>
    applyPolicy(all, policy, { ...situation, now: time });
  let present = [...entries];
  const first = policyAt(present, now);
  const kept = new Map(first.decisions.map(({ id, reasons }) => [id, reasons]));
  const goes = new Map<string, string>();
  if (first.held === null) {
    let day = 0;
    for (const until of [0, ...DAYS]) {
      for (; day < until; day++) present.push(takenAt(now + (day + 1) * DAY_MS));
      const gone = new Set(
        policyAt(present, now + until * DAY_MS).decisions.flatMap(({ id, keep }) => (keep ? [] : [id])),
      );
      for (const id of gone) if (kept.has(id)) goes.set(id, new Date(now + until * DAY_MS).toISOString());
      present = present.filter(({ id }) => !gone.has(id));
    }
  }
  const byId = new Map(entries.map(({ id }) => [id, { kept: kept.get(id) ?? [], goesAt: goes.get(id) ?? null }]));
  return { held: first.held, byId };
}

/** A snapshot for retention, from the catalogue alone. `state`: by `assessor`. */
export function retentionEntry(entry: CatalogEntry, state: SnapshotState, context: Context): RetentionEntry {
  return {
    ...entry,
    state,
    ours: isOurs(entry, context),
    isAuthentic: state !== 'untrusted' && state !== 'unreadable',
  };
}

/** A future snapshot. */
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
    isAuthentic: true,
  };
}

function steps(from: number, to: number, by: number): number[] {
  return Array.from({ length: Math.floor((to - from) / by) + 1 }, (_, at) => from + at * by);
}
