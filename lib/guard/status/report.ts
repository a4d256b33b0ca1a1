import { titleOf, type RunRecord } from '../../runs/model.js';
import { unsavedWords } from '../../snapshot/shortfall.js';
import { sizesOf } from '../../snapshot/sizes.js';
import { countStates, isFoundDamaged, type SnapshotState, type TrustContext } from '../../snapshot/trust.js';
import { unfinishedOf } from '../../snapshot/unfinished-marks.js';
import type { DrillView, Drills } from '../drill-view.js';
import { deliveryFigures, openAlerts, type AlertFigures, type DeliveryFigures } from '../alerts/view.js';
import { gatherFacts, newestBackup, unreadableLeases, type Facts } from '../facts.js';
import { recoveryPoint, recoveryPointOf, type RecoveryPoint } from '../recovery-point.js';
import { recoveryTime, recoveryTimeOf, type RecoveryTime } from '../recovery-time.js';
import { ignoredIn } from '../../control/authenticated-store.js';
import { acknowledge } from '../alerts/acknowledge.js';
import { merged, type Finding } from '../alerts/condition.js';
import { judgeFacts, type JudgeOptions } from '../alerts/from-facts.js';
import { afterLook } from '../alerts/ledger.js';
import { stuckCondition } from '../guard/resume.js';
import { stuckAmong } from '../guard/stuck.js';
import { readState, type GuardState } from '../state.js';

const MOST_RUNS = 20;
/** For a lease that cannot be read; one that can says itself how long it lasts. */
const STUCK_TIMES = { legTtlMs: 60_000, holdMs: 15 * 60_000 };

/** What the configuration has to say to alerts. */
export type AlertRules = Pick<JudgeOptions, 'hasScratch' | 'skipTypes'>;

type DrillFigures = Pick<
  DrillView,
  'id' | 'outcome' | 'reason' | 'snapshot' | 'keys' | 'startedAt' | 'finishedAt' | 'milliseconds'
>;

/** All figures that operators go by. Ages in hours, durations in milliseconds, sizes in bytes, times in ISO 8601. */
export interface StatusReport {
  readonly state: 'ok' | 'degraded';
  readonly at: string;
  readonly recoveryPoint: {
    readonly objectiveHours: number;
    readonly ageHours: number | null;
    readonly met: boolean;
    /** What `latest` means: of this database, verified, and not in doubt. */
    readonly newestVerified: { readonly id: string; readonly keys: number } | null;
    /** Newer snapshots that do not count, and why. */
    readonly passedOver: readonly {
      readonly id: string;
      readonly state: string;
      readonly reasons: readonly string[];
    }[];
    /** Whether the store holds snapshots of several databases and none is configured here. */
    readonly ambiguous: boolean;
  };
  readonly recoveryTime: {
    readonly objectiveHours: number;
    readonly met: boolean | null;
    readonly projectedMilliseconds: number | null;
    readonly lastPassed: Pick<DrillView, 'id' | 'snapshot' | 'keys' | 'milliseconds' | 'finishedAt'> | null;
    readonly lastDrill: Pick<DrillView, 'id' | 'outcome' | 'reason' | 'finishedAt'> | null;
  };
  readonly storage: {
    readonly snapshots: number;
    readonly complete: number;
    readonly incomplete: number;
    readonly damaged: number;
    /** How many there are in each state. */
    readonly states: Readonly<Record<SnapshotState, number>>;
    readonly storedBytes: number;
  };
  /** Restores of the database that began to write and are not known to have ended well. */
  readonly unfinished: readonly {
    readonly run: string;
    readonly kind: string;
    readonly since: string;
    readonly underWay: boolean;
  }[];
  /** What the newest backup does not have; null when there is none. `types`: keys that no record can hold, by type. */
  readonly unsaved: {
    readonly snapshot: string;
    readonly words: string | null;
    readonly failed: number;
    readonly unsupported: number;
    readonly types: Readonly<Record<string, number>>;
    readonly unexplained: number;
  } | null;
  readonly runs: readonly RunFigures[];
  readonly drills: readonly DrillFigures[];
  readonly alerts: readonly AlertFigures[];
  readonly acknowledged: GuardState['acknowledged'];
  readonly delivery: DeliveryFigures;
  readonly credentials: { readonly checkedAt: string | null; readonly checks: GuardState['checks'] };
  readonly guard: { readonly lastRunAt: string | null; readonly outcome: GuardState['outcome'] };
}

export type RunFigures = Pick<
  RunRecord,
  'kind' | 'state' | 'phase' | 'progress' | 'error' | 'createdAt' | 'updatedAt' | 'finishedAt'
> & { readonly runId: string; readonly title: string };

/**
 * Whether the objectives are met, with the fewest reads: what `recoveryPoint` reads, and the last drill that passed.
 */
export async function objectives(context: TrustContext, drills: Drills): Promise<StatusReport['state']> {
  const { own, store } = context;
  const [point, marks, leases, { acknowledged, alerts }] = await Promise.all([
    recoveryPoint(context),
    own === null ? [] : unfinishedOf(store, own),
    unreadableLeases(store),
    readState(store),
  ]);
  const time = await recoveryTime(drills, point.newest?.manifest?.counts.keys ?? null);
  const open = alerts.filter((alert) => alert.resolvedAt === null && isOfControl(alert));
  const ignored = acknowledged.some(isOfControl) ? 0 : ignoredIn(store).length;
  return stateOf(point, marks.length + leases.length + open.length + ignored, time);
}

/** All figures: what `gatherFacts` reads, the guard's state, and the lease of each run that is not over. */
export async function statusReport(context: TrustContext, drills: Drills, rules: AlertRules): Promise<StatusReport> {
  // The state first: that it cannot be read is among the facts.
  const state = await readState(context.store);
  const facts = await gatherFacts(context, drills);
  const alerts = await alertsNow(context, state, facts, rules);
  const point = recoveryPointOf(facts);
  const time = recoveryTimeOf(facts.lastPassed, point.newest?.manifest?.counts.keys ?? null);
  return {
    state: stateOf(point, facts.unfinished.length + alerts.filter(isOfControl).length, time),
    at: new Date(facts.now).toISOString(),
    recoveryPoint: pointFigures(point),
    recoveryTime: timeFigures(time, facts),
    storage: storageFigures(facts),
    unsaved: unsavedFigures(facts),
    unfinished: facts.unfinished.map(({ run, kind, since }) => ({
      run,
      kind,
      since,
      underWay: run === facts.restoring,
    })),
    runs: facts.runs.slice(0, MOST_RUNS).map(runFigures),
    drills: facts.drills.map(drillFigures),
    alerts,
    acknowledged: state.acknowledged,
    delivery: deliveryFigures(state),
    credentials: { checkedAt: state.checkedAt, checks: state.checks },
    guard: { lastRunAt: state.lastRunAt, outcome: state.outcome },
  };
}

/** `flaws`: a database that is half restored, or control state that does not count, is not in order whatever there is. */
function stateOf(point: RecoveryPoint, flaws: number, time: RecoveryTime): StatusReport['state'] {
  return point.met && flaws === 0 && time.met !== false ? 'ok' : 'degraded';
}

/**
 * The alerts as they are at this moment, by the same rules as the guard's: a guard that is silent must not keep what is
 * wrong from being seen, nor show what is over. What the guard alone can find out is as it left it.
 */
async function alertsNow(
  context: TrustContext,
  state: GuardState,
  facts: Facts,
  rules: AlertRules,
): Promise<AlertFigures[]> {
  const judged = judgeFacts(facts, { ...rules, guardRanAt: state.lastRunAt });
  const { finding } = acknowledge(state, merged(judged, await stuckNow(context, facts)), facts.now);
  return openAlerts({ ...state, alerts: afterLook(state.alerts, finding, facts.now) });
}

/** A store that takes no writes does not tell its time, so that nothing is known of how long a run has been silent. */
async function stuckNow(context: TrustContext, { runs }: Facts): Promise<Finding> {
  const stuck = await stuckAmong(context, runs, STUCK_TIMES).catch(() => null);
  if (stuck === null) return { conditions: [], judged: new Set() };
  return {
    conditions: stuck.map((each) => stuckCondition(each, 'the guard sees to it')),
    judged: new Set(['run-stuck']),
  };
}

function isOfControl({ code }: { readonly code: string }): boolean {
  return code === 'control-state-ignored' || code === 'lease-unreadable';
}

function pointFigures({
  ambiguous,
  objectiveHours,
  ageHours,
  met,
  newest,
  passedOver,
}: RecoveryPoint): StatusReport['recoveryPoint'] {
  const manifest = newest?.manifest ?? null;
  const newestVerified = manifest === null ? null : { id: manifest.id, keys: manifest.counts.keys };
  return { objectiveHours, ageHours, met, newestVerified, passedOver, ambiguous };
}

function timeFigures(time: RecoveryTime, { drills }: Facts): StatusReport['recoveryTime'] {
  const { objectiveHours, met, projectedMilliseconds, lastPassed: passed } = time;
  const [last] = drills;
  const lastPassed =
    passed === null
      ? null
      : {
          id: passed.id,
          snapshot: passed.snapshot,
          keys: passed.keys,
          milliseconds: passed.milliseconds,
          finishedAt: passed.finishedAt,
        };
  const lastDrill =
    last === undefined
      ? null
      : { id: last.id, outcome: last.outcome, reason: last.reason, finishedAt: last.finishedAt };
  return { objectiveHours, met, projectedMilliseconds, lastPassed, lastDrill };
}

function storageFigures({ entries, trust }: Facts): StatusReport['storage'] {
  return {
    snapshots: entries.length,
    complete: entries.filter(({ manifest }) => manifest?.state === 'complete').length,
    incomplete: entries.filter(({ manifest }) => manifest?.state === 'incomplete').length,
    // A manifest that cannot be read is no better than a part that cannot.
    damaged: entries.filter((entry) => entry.manifest === null || isFoundDamaged(entry)).length,
    states: countStates(entries, trust),
    storedBytes: entries.reduce((sum, { manifest }) => sum + (manifest === null ? 0 : sizesOf(manifest).stored), 0),
  };
}

function unsavedFigures(facts: Facts): StatusReport['unsaved'] {
  const manifest = newestBackup(facts);
  if (manifest === null) return null;
  const { id, ledger, names } = manifest;
  return {
    snapshot: id,
    words: unsavedWords(manifest),
    failed: ledger.failed.count,
    unsupported: ledger.unsupported.count,
    types: ledger.unsupported.types ?? {},
    unexplained: names?.unexplained ?? 0,
  };
}

function runFigures(run: RunRecord): RunFigures {
  const { id: runId, kind, state, phase, progress, error, createdAt, updatedAt, finishedAt } = run;
  return { runId, kind, title: titleOf(kind), state, phase, progress, error, createdAt, updatedAt, finishedAt };
}

function drillFigures(drill: DrillView): DrillFigures {
  const { id, outcome, reason, snapshot, keys, startedAt, finishedAt, milliseconds } = drill;
  return { id, outcome, reason, snapshot, keys, startedAt, finishedAt, milliseconds };
}
