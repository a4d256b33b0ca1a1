import { silentLog } from '../../../lib/app/in-process.js';
import type { RetentionSettings } from '../../../lib/retention/policy.js';
import { prune, type PruneOptions, type PruneResult } from '../../../lib/retention/prune/prune.js';
import type { ObjectStore, Signer } from '../../../lib/ports/index.js';
import { encodeJson } from '../../../lib/json.js';
import { newId } from '../../../lib/runs/ids.js';
import { runName } from '../../../lib/runs/records.js';
import { catalog } from '../../../lib/snapshot/catalog.js';
import { manualClock, type ManualClock } from '../../support/clocks.js';
import { makeSnapshot, UNSIGNED, type MadeOptions } from '../../support/made-snapshots.js';
import { NONE } from '../entries.js';

export const NOW = Date.parse('2026-11-22T12:00:00Z');
export const DAY_MS = 86_400_000;
/** The two newest stay. */
export const TWO: RetentionSettings = { ...NONE, keepLast: 2, asideDays: 14, runsDays: 30 };

/** A clock at noon on the day of the newest snapshot. Sleepers do not wait: a store that retries is not to slow a test. */
export function noon(): ManualClock {
  return manualClock(NOW);
}

/** This many snapshots, one a day up to today, the newest first. */
export async function days(store: ObjectStore, count: number, options: Partial<MadeOptions> = {}): Promise<string[]> {
  const ids: string[] = [];
  for (let day = count - 1; day >= 0; day--) ids.unshift(await makeSnapshot(store, { at: daysAgo(day), ...options }));
  return ids;
}

/** Two o'clock in the morning, this many days ago. */
export function daysAgo(day: number): string {
  return new Date(NOW - day * DAY_MS - 10 * 3_600_000).toISOString();
}

export interface PruneParts {
  readonly store: ObjectStore;
  readonly signer?: Signer;
  readonly clock?: ManualClock;
  readonly settings?: Partial<RetentionSettings>;
  readonly options?: Partial<PruneOptions>;
}

export function pruneIn({
  store,
  signer = UNSIGNED,
  clock = noon(),
  settings,
  options,
}: PruneParts): Promise<PruneResult> {
  return prune(
    { clock, log: silentLog(), own: null, signer, store },
    { ...TWO, ...settings },
    { dryRun: false, ...options },
  );
}

/** The ids that are listed, newest first. */
export async function listed(store: ObjectStore): Promise<string[]> {
  const ids: string[] = [];
  for await (const { id } of catalog(store)) ids.push(id);
  return ids;
}

export async function namesIn(store: ObjectStore, prefix = ''): Promise<string[]> {
  const names: string[] = [];
  for await (const { name } of store.list(prefix)) names.push(name);
  return names;
}

export interface RunOptions {
  readonly kind?: string;
  readonly state?: string;
  readonly phase?: string;
  readonly error?: unknown;
  readonly input?: unknown;
  readonly result?: unknown;
  readonly daysAgo?: number;
}

/** Writes the record of a run, as the engine would. Returns its id. */
export async function writeRun(store: ObjectStore, options: RunOptions = {}): Promise<string> {
  const { kind = 'snapshot', state = 'succeeded', phase = 'scan', error = null } = options;
  const { input = null, result = null, daysAgo: day = 0 } = options;
  const at = NOW - day * DAY_MS;
  const time = new Date(at).toISOString();
  const id = newId(at);
  const record = {
    version: 1,
    id,
    kind,
    state,
    lease: 'x',
    phase,
    tasks: 0,
    leg: 0,
    stalls: 0,
    fence: 1,
    input,
    checkpoint: null,
    progress: { done: 0, total: null, unit: 'keys', bytes: 0 },
    result,
    error,
    createdAt: time,
    updatedAt: time,
    finishedAt: state === 'running' || state === 'waiting' ? null : time,
  };
  await store.create(runName(id), encodeJson(record));
  return id;
}
