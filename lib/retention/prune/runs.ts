import pMap from 'p-map';
import { z } from 'zod';
import { passOver } from '../../control/authenticated-store.js';
import { decodeJson } from '../../json.js';
import type { ObjectStore } from '../../ports/store.js';
import { isId } from '../../runs/ids.js';
import { runName } from '../../runs/records.js';

const RUNS = 'runs/';
const READS_AT_A_TIME = 16;
const OVER: ReadonlySet<string> = new Set(['succeeded', 'incomplete', 'failed']);
/** Removals are held after this many snapshot runs without a success. */
const FAILURES = 3;

/** A lenient schema: a record of another version must not count as a run that is over. */
const recordSchema = z.object({
  kind: z.string(),
  state: z.string(),
  input: z.unknown(),
  result: z.unknown(),
  error: z.unknown(),
  finishedAt: z.string().nullable(),
});

export interface RunSummary {
  readonly id: string;
  /** Null if the record is gone or unreadable. */
  readonly kind: string | null;
  readonly state: string | null;
  readonly over: boolean;
  /** Whether a record exists, readable or not. */
  readonly recorded: boolean;
  /** Milliseconds since the epoch; null while it is not over. */
  readonly finishedAt: number | null;
  /** The snapshot named in the run's input. */
  readonly snapshot: string | null;
  readonly wroteManifest: boolean;
  /** The code of the run's error. */
  readonly failure: string | null;
}

/** All runs with objects in the store, oldest first. Runs in `known` that are over are not read again. */
export async function loadRunSummaries(store: ObjectStore, known: readonly RunSummary[] = []): Promise<RunSummary[]> {
  const over = new Map(known.filter((run) => run.over).map((run) => [run.id, run]));
  const ids: string[] = [];
  for await (const folder of store.folders(RUNS)) if (isId(folder)) ids.push(folder);
  return pMap(ids, async (id) => over.get(id) ?? loadRunSummary(store, id), { concurrency: READS_AT_A_TIME });
}

/** Snapshots that unfinished runs use: those that they take or save, and those that they read. */
export function snapshotsInUse(runs: readonly RunSummary[]): Set<string> {
  const open = runs.filter((run) => run.recorded && !run.over);
  return new Set(open.flatMap(({ id, snapshot }) => (snapshot === null ? [id] : [id, snapshot])));
}

/** Runs that failed because the store was full do not count: pruning is the remedy. */
export function lastSnapshotRunsFailed(runs: readonly RunSummary[]): boolean {
  const last = runs
    .filter(({ failure, kind, over }) => kind === 'snapshot' && over && failure !== 'store-full')
    .slice(-FAILURES);
  return last.length === FAILURES && last.every(({ state }) => state !== 'succeeded');
}

export async function loadRunSummary(store: ObjectStore, id: string): Promise<RunSummary> {
  const found = await store.read(runName(id));
  const record = found === null ? null : parse(found.body);
  if (record === null) {
    if (found !== null) passOver(store, runName(id), found);
    const nothing = { kind: null, state: null, finishedAt: null, snapshot: null, wroteManifest: false, failure: null };
    return { id, recorded: found !== null, over: false, ...nothing };
  }
  const { error, kind, state, input, result } = record;
  const finishedAt = Date.parse(record.finishedAt ?? '');
  return {
    id,
    kind,
    state,
    recorded: true,
    over: OVER.has(state),
    finishedAt: Number.isNaN(finishedAt) ? null : finishedAt,
    snapshot: textIn(input, 'snapshot'),
    wroteManifest: textIn(result, 'manifestSha256') !== null,
    failure: textIn(error, 'code'),
  };
}

function parse(body: Buffer): z.infer<typeof recordSchema> | null {
  try {
    return recordSchema.parse(decodeJson(body));
  } catch {
    return null;
  }
}

function textIn(value: unknown, name: string): string | null {
  if (typeof value !== 'object' || value === null) return null;
  const text = (value as Record<string, unknown>)[name];
  return typeof text === 'string' ? text : null;
}
