import pMap from 'p-map';
import { AppError } from '../errors.js';
import type { Json } from '../json.js';
import type { ObjectStore } from '../ports/store.js';
import { isId, timeOfId } from './ids.js';
import type { RunRecord, RunState } from './model.js';
import { loadRun } from './records.js';

const RUNS = 'runs/';
const READ_CONCURRENCY = 16;
const MAX_READ = 480;

interface RecentQuery {
  /** Runs begun before this time are left out, in milliseconds since the epoch. */
  readonly since: number;
  /** At most this many, the newest. */
  readonly limit: number;
}

/** The ids of all runs, oldest first: one listing of names. */
export async function runIds(store: ObjectStore): Promise<string[]> {
  const ids: string[] = [];
  for await (const id of store.folders(RUNS)) if (isId(id)) ids.push(id);
  return ids;
}

/**
 * The newest runs, newest first: one listing of names, and one read per run. A record that does not exist yet, or cannot
 * be read, is skipped.
 */
export async function recentRuns(store: ObjectStore, query: RecentQuery): Promise<RunRecord[]> {
  return recentOf(store, await runIds(store), query);
}

/** Like `recentRuns`, for `ids` as returned by `runIds`. */
export function recentOf(
  store: ObjectStore,
  ids: readonly string[],
  { since, limit }: RecentQuery,
): Promise<RunRecord[]> {
  return runsOf(
    store,
    ids
      .filter((id) => timeOfId(id) >= since)
      .slice(-limit)
      .reverse(),
  );
}

interface RunFilter {
  /** Empty: any kind. */
  readonly kinds: readonly string[];
  /** Empty: any state. */
  readonly states: readonly RunState[];
  /** Runs whose scope names one of these projects; empty: all runs. A run of everything names no project. */
  readonly projects: readonly string[];
  /** Only runs whose id sorts before this text: the `next` of a page, or the start of an id. Null: all. */
  readonly before: string | null;
  readonly limit: number;
}

export interface RunPage {
  /** Newest first. */
  readonly runs: readonly RunRecord[];
  /** `before` of the next page; null on the last page. A page shorter than its limit may have a next one. */
  readonly next: string | null;
}

/** A page of runs that match: one listing of names, and at most `MAX_READ` records read, however many there are. */
export async function pageOfRuns(store: ObjectStore, filter: RunFilter): Promise<RunPage> {
  const { before, limit } = filter;
  const ids = (await runIds(store)).filter((id) => before === null || id < before).reverse();
  const runs: RunRecord[] = [];
  let read = 0;
  while (runs.length < limit && read < Math.min(ids.length, MAX_READ)) {
    const batch = ids.slice(read, read + READ_CONCURRENCY);
    runs.push(...(await runsOf(store, batch)).filter((run) => matchesFilter(run, filter)));
    read += batch.length;
  }
  const page = runs.slice(0, limit);
  const last = runs.length > limit ? page.at(-1)?.id : ids[read - 1];
  const isLast = runs.length <= limit && read >= ids.length;
  return { runs: page, next: isLast ? null : (last ?? null) };
}

function matchesFilter(run: RunRecord, { kinds, projects, states }: RunFilter): boolean {
  return (
    (kinds.length === 0 || kinds.includes(run.kind)) &&
    (states.length === 0 || states.includes(run.state)) &&
    (projects.length === 0 || projectsInScope(run.input).some((named) => projects.some((project) => project === named)))
  );
}

/** The projects that the scope of a run of any kind names, directly or in items. */
function projectsInScope(input: Json): unknown[] {
  const { scope } = (input ?? {}) as { scope?: { project?: unknown; projects?: unknown; items?: unknown } | null };
  const items = Array.isArray(scope?.items) ? (scope.items as ({ project?: unknown } | null)[]) : [];
  const projects: unknown[] = Array.isArray(scope?.projects) ? scope.projects : [];
  return [scope?.project, ...projects, ...items.map((item) => item?.project)];
}

/** The runs with these ids, in order, without those that do not exist or cannot be read. */
export async function runsOf(store: ObjectStore, ids: readonly string[]): Promise<RunRecord[]> {
  const found = await pMap(ids, (id) => loadReadable(store, id), { concurrency: READ_CONCURRENCY });
  return found.filter((run) => run !== null);
}

async function loadReadable(store: ObjectStore, id: string): Promise<RunRecord | null> {
  try {
    return (await loadRun(store, id)).record;
  } catch (error) {
    if (error instanceof AppError && (error.code === 'not-found' || error.code === 'damaged')) return null;
    throw error;
  }
}
