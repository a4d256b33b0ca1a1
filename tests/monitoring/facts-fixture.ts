import { evaluateFacts } from '../../lib/monitoring/alerts/sources.js';
import { type Finding, type ConfiguredIndex } from '../../lib/monitoring/alerts/condition.js';
import type { DrillView } from '../../lib/monitoring/drill-view.js';
import type { Facts } from '../../lib/monitoring/facts.js';
import { recoveryPointOf } from '../../lib/monitoring/objectives.js';
import type { RunRecord } from '../../lib/runs/model.js';
import { newId } from '../../lib/runs/ids.js';
import { sha256, type Doubt } from '../../lib/snapshot/manifest.js';
import { UNSIGNED } from '../support/made-snapshots.js';
import type { CatalogEntry } from '../../lib/snapshot/catalog.js';

export const NOW = Date.parse('2026-11-22T14:00:00Z');
export const HOUR = 3_600_000;
export const DAY = 24 * HOUR;

/** One store, one database, no keys. */
export const TRUST = { signer: UNSIGNED, clock: { now: () => NOW }, own: null, sources: null };

export const NO_MODELS = { namespaces: [], besides: [] };

export const pointOf = (entries: CatalogEntry[], runs: RunRecord[]) =>
  recoveryPointOf({ entries, runs, runsOfParts: [], trust: TRUST });

export interface Changes {
  readonly keys?: number;
  readonly state?: 'complete' | 'incomplete';
  readonly verification?: 'verified' | 'damaged' | null;
  readonly purpose?: 'safety';
  readonly doubts?: readonly Doubt[];
}

export function snapshot(hours: number, changes: Changes = {}): CatalogEntry {
  const from = NOW - hours * HOUR;
  const { doubts, keys = 100, state = 'complete', verification = 'verified', purpose } = changes;
  const at = new Date(from).toISOString();
  const manifest = {
    id: newId(from),
    state,
    createdAt: at,
    window: { from: at, to: at },
    counts: { keys },
    dbsize: { before: keys, after: keys },
    source: 'a'.repeat(64),
    ledger: { failed: { count: 0, keys: [] }, unsupported: { count: 0, keys: [] } },
    seal: { sha256: sha256('sealed'), signature: null },
    parts: [],
    purpose,
    ...(doubts === undefined ? {} : { doubts }),
  };
  const verified = verification === null ? null : { state: verification, at, run: 'x', depth: 'lines', findings: [] };
  const nothing = { accepted: null, adopted: null, fences: null, newerFormat: false, sha256: 'stored' };
  const entry = { id: manifest.id, manifest, sealed: Buffer.from('sealed'), verification: verified, ...nothing };
  return entry as unknown as CatalogEntry;
}

export function run(kind: RunRecord['kind'], state: RunRecord['state'], rest: Partial<RunRecord> = {}): RunRecord {
  return { id: newId(NOW), kind, state, input: { trigger: 'cron' }, error: null, ...rest } as unknown as RunRecord;
}

export function drill(days: number, outcome: DrillView['outcome'], rest: Partial<DrillView> = {}): DrillView {
  const at = new Date(NOW - days * DAY).toISOString();
  const milliseconds = outcome === 'passed' ? 60_000 : null;
  return {
    id: newId(NOW),
    outcome,
    reason: null,
    snapshot: 's',
    keys: 100,
    startedAt: at,
    finishedAt: at,
    milliseconds,
    ...rest,
  };
}

export interface Options {
  readonly drilledBy?: 'guard' | 'operator' | null;
  readonly guardRanAt?: string | null;
  readonly skipTypes?: string[];
  readonly index?: ConfiguredIndex | null;
}

export function codes(facts: Partial<Facts>, options: Options = {}): string[] {
  return find(facts, options).conditions.map(({ code }) => code);
}

export function find(facts: Partial<Facts>, options: Options = {}): Finding {
  const marks = {
    trust: TRUST,
    runsOfParts: [],
    unfinished: [],
    restoring: null,
    unreadableLeases: [],
    ignored: [],
    models: NO_MODELS,
  };
  const all = {
    now: NOW,
    entries: [snapshot(1)],
    runs: [],
    hasMoreRuns: false,
    drills: [],
    lastPassed: null,
    ...marks,
    ...facts,
  };
  const { drilledBy = null, guardRanAt = new Date(NOW).toISOString(), skipTypes = [], index = null } = options;
  const callers = { cron: null, schedule: null, operator: null };
  const guard = { lastRunAt: guardRanAt, callers };
  return evaluateFacts(all, { drilledBy, guard, schedulers: [], skipTypes, index });
}
