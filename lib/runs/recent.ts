import pMap from 'p-map';
import { AppError } from '../errors.js';
import type { ObjectStore } from '../ports/store.js';
import { isId, timeOfId } from './ids.js';
import type { RunRecord } from './model.js';
import { loadRun } from './records.js';

const RUNS = 'runs/';
/** Records read at a time. */
const SIDE_BY_SIDE = 16;

export interface RecentQuery {
  /** Runs begun before this time are left out, in milliseconds since the epoch. */
  readonly since: number;
  /** The newest so many. */
  readonly limit: number;
}

/**
 * The newest runs, newest first: one listing of names, and one read a run. A record that is not there yet, or cannot be
 * read, is passed over.
 */
export async function recentRuns(store: ObjectStore, { since, limit }: RecentQuery): Promise<RunRecord[]> {
  const ids: string[] = [];
  for await (const id of store.folders(RUNS)) if (isId(id) && timeOfId(id) >= since) ids.push(id);
  return runsOf(store, ids.slice(-limit).reverse());
}

/** The runs of these ids, in order, without those that are not there or cannot be read. */
export async function runsOf(store: ObjectStore, ids: readonly string[]): Promise<RunRecord[]> {
  const found = await pMap(ids, (id) => readable(store, id), { concurrency: SIDE_BY_SIDE });
  return found.filter((run) => run !== null);
}

async function readable(store: ObjectStore, id: string): Promise<RunRecord | null> {
  try {
    return (await loadRun(store, id)).record;
  } catch (error) {
    if (error instanceof AppError && (error.code === 'not-found' || error.code === 'damaged')) return null;
    throw error;
  }
}
