import pMap from 'p-map';
import { AppError } from '../errors.js';
import type { Json } from '../json.js';
import type { ObjectStore } from '../ports/store.js';
import { isId, timeOfId } from './ids.js';
import type { RunRecord, RunState } from './model.js';
import { loadRun } from './records.js';

const RUNS = 'runs/';
/** Records read at a time. */
const SIDE_BY_SIDE = 16;
const MOST_READ = 480;

interface RecentQuery {
  /** Runs begun before this time are left out, in milliseconds since the epoch. */
  readonly since: number;
  /** The newest, this many. */
  readonly limit: number;
}

/** The ids of all runs there are, oldest first: one listing of names. */
export async function runIds(store: ObjectStore): Promise<string[]> {
  const ids: string[] = [];
  for await (const id of store.folders(RUNS)) if (isId(id)) ids.push(id);
  return ids;
}

/**
 * The newest runs, newest first: one listing of names, and one read a run. A record that is not there yet, or cannot be
 * read, is passed over.
 */
export async function recentRuns(store: ObjectStore, query: RecentQuery): Promise<RunRecord[]> {
  return recentOf(store, await runIds(store), query);
}

/** The same of `ids`, as `runIds` gives them. */
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
  /** One of these; empty: of any kind. */
  readonly kinds: readonly string[];
  /** In one of these; empty: in any state. */
  readonly states: readonly RunState[];
  /** Whose scope names one of these projects; empty: all. A run of everything names none. */
  readonly projects: readonly string[];
  /** Only runs whose id sorts before this text: the `next` of a page, or the beginning of an id. Null: all. */
  readonly before: string | null;
  readonly limit: number;
}

export interface RunPage {
  /** Newest first. */
  readonly runs: readonly RunRecord[];
  /** `before` of the next page; null when there is none. A page may be shorter than its limit and yet have a next one. */
  readonly next: string | null;
}

/** A page of runs that fit: one listing of names, and at most `MOST_READ` records read, however many there are. */
export async function pageOfRuns(store: ObjectStore, filter: RunFilter): Promise<RunPage> {
  const { before, limit } = filter;
  const ids = (await runIds(store)).filter((id) => before === null || id < before).reverse();
  const runs: RunRecord[] = [];
  let read = 0;
  while (runs.length < limit && read < Math.min(ids.length, MOST_READ)) {
    const some = ids.slice(read, read + SIDE_BY_SIDE);
    runs.push(...(await runsOf(store, some)).filter((run) => fits(run, filter)));
    read += some.length;
  }
  const page = runs.slice(0, limit);
  const last = runs.length > limit ? page.at(-1)?.id : ids[read - 1];
  const isLast = runs.length <= limit && read >= ids.length;
  return { runs: page, next: isLast ? null : (last ?? null) };
}

function fits(run: RunRecord, { kinds, projects, states }: RunFilter): boolean {
  return (
    (kinds.length === 0 || kinds.includes(run.kind)) &&
    (states.length === 0 || states.includes(run.state)) &&
    (projects.length === 0 || projectsNamed(run.input).some((named) => projects.some((project) => project === named)))
  );
}

/** The projects that the scope of a run of any kind names, itself or by items. */
function projectsNamed(input: Json): unknown[] {
  const { scope } = (input ?? {}) as { scope?: { project?: unknown; projects?: unknown; items?: unknown } | null };
  const items = Array.isArray(scope?.items) ? (scope.items as ({ project?: unknown } | null)[]) : [];
  const projects: unknown[] = Array.isArray(scope?.projects) ? scope.projects : [];
  return [scope?.project, ...projects, ...items.map((item) => item?.project)];
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
