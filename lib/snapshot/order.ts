import { timeOfId } from '../runs/ids.js';
import type { RunRecord } from '../runs/model.js';
import type { CatalogEntry } from './catalog.js';

/** So far ahead of ours another clock may be, before what it wrote counts as dated in the future. */
export const AHEAD_MS = 5 * 60_000;

/** So many of the newest runs are read to see whether the dates can be right. */
export const RUNS_FOR_ORDER = 16;

/**
 * When a snapshot was begun, in milliseconds since the epoch: as it says itself, unless a run that was started after it
 * is dated before it, since then a clock was ahead. The fencing numbers of a lease tell the order, whatever clocks say.
 */
export function begunAt({ id, manifest }: Pick<CatalogEntry, 'id' | 'manifest'>, runs: readonly RunRecord[]): number {
  const own = runs.find((run) => run.id === id);
  const later = runs.filter((run) => own !== undefined && run.lease === own.lease && (run.firstFence ?? 0) > own.fence);
  const from = manifest === null ? timeOfId(id) : Date.parse(manifest.window.from);
  return Math.min(from, ...later.map((run) => timeOfId(run.id)));
}

/** How far ahead of our clock a snapshot is dated, in milliseconds; 0 or less when it is not. NaN where it has no time. */
export function aheadBy({ id, manifest }: Pick<CatalogEntry, 'id' | 'manifest'>, now: number): number {
  const from = manifest === null ? timeOfId(id) : Date.parse(manifest.window.from);
  return Math.max(from, timeOfId(id)) - now;
}

/**
 * Whether a snapshot is dated later than our clock says it is. One of the two clocks is wrong, and as long as it is not
 * known which, its age is not known either: such a snapshot can be restored, but is not `latest` and meets no objective.
 */
export function isFromFuture(entry: Pick<CatalogEntry, 'id' | 'manifest'>, now: number): boolean {
  return !(aheadBy(entry, now) <= AHEAD_MS);
}
