import { withTasksDone } from '../../runs/live.js';
import { runSummary, type RunSummary } from '../../runs/summary.js';
import { unsavedWords } from '../../snapshot/shortfall.js';
import { loadWholeManifest } from '../../snapshot/catalog-object.js';
import { assessWithPassedOver } from '../../snapshot/latest.js';
import { countStates, isFoundDamaged, type SnapshotState, type TrustContext } from '../../snapshot/trust.js';
import { lastVerdict, timeOf, type DrillView, type Drills } from '../drill-view.js';
import { DRILL_EVERY_MS } from '../objectives.js';
import { deliveryFigures, openAlerts, type AlertFigures, type DeliveryFigures } from '../alerts/view.js';
import { gatherFacts, newestBackup, type Facts } from '../facts.js';
import { recoveryPointOf, type RecoveryPoint } from '../recovery-point.js';
import { recoveryTimeOf, type RecoveryTime } from '../recovery-time.js';
import { acknowledge } from '../alerts/acknowledge.js';
import { spentBy, type SpentFigures } from '../cost.js';
import { keyOf, merged, type Condition, type Finding } from '../alerts/condition.js';
import { isOfControl } from '../alerts/from-control.js';
import { evaluateFacts } from '../alerts/sources.js';
import { afterEvaluation } from '../alerts/ledger.js';
import { stuckCondition } from '../guard/resume.js';
import { stuckAmong } from '../guard/stuck.js';
import { isOver } from '../../runs/ending.js';
import { isFromSource } from '../../runs/fit.js';
import type { RunRecord } from '../../runs/model.js';
import { indexFigures, type IndexFigures } from './index-figures.js';
import { readState, type Acknowledgement, type GuardState } from '../state.js';
import {
  evaluateAnswers,
  isTooOld,
  overallState,
  type AlertRules,
  type AnswerEvidence,
  type Answer,
  type Answers,
  type OverallState,
  type Tried,
} from './answers.js';
import { tryNothing, type TryServices } from '../services.js';

const MOST_RUNS = 20;
/** For a lease that cannot be read; one that can says itself how long it lasts. */
const STUCK_TIMES = { attemptTtlMs: 60_000, holdMs: 15 * 60_000 };

type DrillFigures = Pick<
  DrillView,
  'id' | 'outcome' | 'reason' | 'snapshot' | 'keys' | 'startedAt' | 'finishedAt' | 'milliseconds'
>;

/** All figures that operators go by. Ages in hours, durations in milliseconds, sizes in bytes, times in ISO 8601. */
export interface StatusReport {
  /** `ok` only when all four answers are; `degraded` when one is not ok; else `unknown`. */
  readonly state: OverallState;
  readonly at: string;
  /** Whether the data could be had back, no older than the objective says: the figures are `recoveryPoint`. */
  readonly recoverable: Answer;
  readonly watched: Answers['watched'];
  readonly services: Answers['services'];
  readonly recoveryPoint: Omit<RecoveryPoint, 'ageMs' | 'newest'> & {
    /** What `latest` means: of this database, verified, and not in doubt. */
    readonly newestVerified: { readonly id: string; readonly keys: number } | null;
  };
  readonly recoveryTime: Answer &
    Omit<RecoveryTime, 'lastPassed'> & {
      readonly lastPassed: Pick<
        DrillView,
        'id' | 'snapshot' | 'keys' | 'milliseconds' | 'restoredMilliseconds' | 'finishedAt'
      > | null;
      readonly lastDrill: Pick<DrillView, 'id' | 'outcome' | 'reason' | 'finishedAt'> | null;
      /** Who starts drills: the guard, or an operator, where the functions cannot open what is encrypted; null for nobody. */
      readonly drilledBy: AlertRules['drilledBy'];
      /** When the next is due; null where none has come to a verdict yet. */
      readonly drillDueAt: string | null;
    };
  readonly storage: {
    readonly snapshots: number;
    readonly complete: number;
    readonly incomplete: number;
    readonly damaged: number;
    /** How many there are in each state. */
    readonly states: Readonly<Record<SnapshotState, number>>;
    readonly storedBytes: number;
    /** Of all snapshots together: a listing shows 1,000 objects a request. */
    readonly parts: number;
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
    /** Null: its names were not walked again, as older versions did not. */
    readonly unexplained: number | null;
  } | null;
  /** What vectors are made with here, and what those in the index were made with; null where none is configured. */
  readonly index: IndexFigures | null;
  readonly runs: readonly RunSummary[];
  /** What the runs of the last days spent: of as many as are read, the first of which began at `since`. */
  readonly spent: SpentFigures;
  readonly drills: readonly DrillFigures[];
  readonly alerts: readonly AlertFigures[];
  readonly acknowledged: GuardState['acknowledged'];
  readonly delivery: DeliveryFigures;
  /** Each check as the guard made it last; `unknown` when that is too long ago, and as it is now where it was made just now. */
  readonly credentials: { readonly checkedAt: string | null; readonly checks: readonly CheckFigures[] };
  readonly guard: { readonly lastRunAt: string | null; readonly outcome: GuardState['outcome'] };
}

export type CheckFigures = Omit<GuardState['checks'][number], 'status'> & {
  readonly status: GuardState['checks'][number]['status'] | 'unknown';
};

/**
 * All figures: what `gatherFacts` reads, the guard's state, and of each run that is not over its lease and a listing of the
 * tasks that are done. `tryServices` tries
 * those that are configured at this moment, within seconds; what else there is stands as the guard found it.
 */
export async function statusReport(
  context: TrustContext,
  drills: Drills,
  rules: AlertRules,
  tryServices: TryServices = tryNothing,
): Promise<StatusReport> {
  const trying = tryServices();
  // The state first: that it cannot be read is among the facts.
  const state = await readState(context.store, context.own);
  const facts = await gatherFacts(context, drills);
  const tried = [...(await trying), readFrom(facts)];
  const { acknowledged, alerts, control } = await alertsNow(context, state, facts, rules, failing(tried));
  const point = recoveryPointOf(facts);
  const time = recoveryTimeOf(facts.lastPassed, point.newest?.manifest?.counts.keys ?? null);
  const answers = evaluateAnswers({ facts, point, time, control, tried }, state, rules);
  return {
    state: overallState(answers),
    at: new Date(facts.now).toISOString(),
    recoverable: answers.recoverable,
    recoveryPoint: pointFigures(point),
    recoveryTime: { ...answers.recoveryTime, ...timeFigures(time, facts, rules) },
    watched: answers.watched,
    services: answers.services,
    storage: storageFigures(facts, point),
    unsaved: unsavedFigures(facts),
    unfinished: facts.unfinished.map(({ run, kind, since }) => ({
      run,
      kind,
      since,
      underWay: run === facts.restoring,
    })),
    index: indexFigures(
      facts,
      rules.index ?? null,
      rules.index == null ? null : await loadWholeManifest(context, point.newest),
    ),
    runs: (await Promise.all(shownRuns(facts.runs).map((run) => withTasksDone(context.store, run)))).map(runSummary),
    spent: spentBy(facts.runs),
    drills: facts.drills.map(drillFigures),
    alerts,
    acknowledged,
    delivery: deliveryFigures(state, rules.alerting.address ?? null),
    credentials: {
      checkedAt: state.checkedAt,
      checks: checksNow(state, tried, isTooOld(state.checkedAt, rules, facts.now)),
    },
    guard: { lastRunAt: state.lastRunAt, outcome: state.outcome },
  };
}

function checksNow({ checks }: GuardState, tried: readonly Tried[], isOld: boolean): CheckFigures[] {
  const failed = new Map(tried.map(({ record }) => [record.state === 'not-ok' ? record.check : null, record]));
  return checks.map((check): CheckFigures => {
    const record = failed.get(check.name);
    if (record !== undefined) return { ...check, status: 'fail', detail: record.reason ?? '', hint: record.hint };
    return isOld && check.status !== 'skipped' ? { ...check, status: 'unknown' } : check;
  });
}

/** All of it was read from the store just now. */
function readFrom({ now }: Facts): Tried {
  const at = new Date(now).toISOString();
  const none = { check: null, reason: null, hint: null };
  return { record: { name: 'store', state: 'ok', since: at, checkedAt: at, by: 'status', ...none }, checks: ['store'] };
}

/** What was tried just now and does not work is an alert that the guard will tell of. */
function failing(tried: readonly Tried[]): Finding {
  const conditions = tried
    .filter(({ record }) => record.state === 'not-ok')
    .map(({ record: { check, hint, name, reason } }) => ({
      code: 'credential-failed' as const,
      subject: check ?? name,
      message: `The check of ${check ?? name} failed: ${reason ?? ''}`,
      hint: hint ?? 'See `npx soulcaster-backup doctor --env-file .env`.',
    }));
  return { conditions, evaluated: new Set() };
}

interface AlertsNow extends Pick<StatusReport, 'acknowledged' | 'alerts'> {
  /** What keeps the store from being relied on. That it was acknowledged closes the alert, and changes nothing of it. */
  readonly control: AnswerEvidence['control'];
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
  live: Finding,
): Promise<AlertsNow> {
  const evaluated = evaluateFacts(facts, { ...rules, guard: state });
  const found = merged(evaluated, await stuckNow(context, facts), live);
  const { acknowledged, finding } = acknowledge(state, found, facts.now);
  const alerts = openAlerts({ ...state, alerts: afterEvaluation(state.alerts, finding, facts.now) });
  const words = new Map(
    [...acknowledged.map(knownWords), ...alerts, ...found.conditions].map((one) => [keyOf(one), one]),
  );
  return { acknowledged, alerts, control: [...words.values()].filter(isOfControl) };
}

/** What only the guard can find out, and found; somebody knows of it, and it is so all the same. */
function knownWords({
  code,
  reason,
  subject,
}: Acknowledgement): Pick<Condition, 'message' | 'subject'> & { readonly code: string } {
  return { code, subject, message: `${code} ${subject} is acknowledged, and not over: ${reason}` };
}

/** The newest runs, and older ones that are not over. */
function shownRuns(runs: readonly RunRecord[]): RunRecord[] {
  return runs.filter((run, at) => at < MOST_RUNS || !isOver(run));
}

/** A store that takes no writes does not tell its time, so that nothing is known of how long a run has been silent. */
async function stuckNow(context: TrustContext, { runs }: Facts): Promise<Finding> {
  const own = runs.filter((run) => isFromSource(run, context.own));
  const stuck = await stuckAmong(context, own, STUCK_TIMES).catch(() => null);
  if (stuck === null) return { conditions: [], evaluated: new Set() };
  return {
    conditions: stuck.map((each) => stuckCondition(each, 'the guard resumes or ends it')),
    evaluated: new Set(['run-stuck']),
  };
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

function timeFigures(
  time: RecoveryTime,
  facts: Facts,
  { drilledBy }: AlertRules,
): Omit<StatusReport['recoveryTime'], keyof Answer> {
  const { lastPassed: passed, ...figures } = time;
  const [last] = facts.drills;
  const verdict = lastVerdict(facts, facts.now);
  const drillDueAt = verdict === null ? null : new Date(timeOf(verdict) + DRILL_EVERY_MS).toISOString();
  const lastPassed =
    passed === null
      ? null
      : {
          id: passed.id,
          snapshot: passed.snapshot,
          keys: passed.keys,
          milliseconds: passed.milliseconds,
          restoredMilliseconds: passed.restoredMilliseconds ?? null,
          finishedAt: passed.finishedAt,
        };
  const lastDrill =
    last === undefined
      ? null
      : { id: last.id, outcome: last.outcome, reason: last.reason, finishedAt: last.finishedAt };
  return { ...figures, lastPassed, lastDrill, drilledBy, drillDueAt };
}

function storageFigures({ entries, trust }: Facts, { passedOver }: RecoveryPoint): StatusReport['storage'] {
  return {
    snapshots: entries.length,
    complete: entries.filter(({ manifest }) => manifest?.state === 'complete').length,
    incomplete: entries.filter(({ manifest }) => manifest?.state === 'incomplete').length,
    // A manifest that cannot be read is no better than a part that cannot.
    damaged: entries.filter((entry) => entry.manifest === null || isFoundDamaged(entry)).length,
    states: countStates(entries, (entry) => assessWithPassedOver(entry, passedOver, trust)),
    storedBytes: entries.reduce((sum, { sizes }) => sum + (sizes?.stored ?? 0), 0),
    parts: entries.reduce((sum, { sizes }) => sum + (sizes?.parts ?? 0), 0),
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
    unexplained: names?.unexplained ?? null,
  };
}

function drillFigures(drill: DrillView): DrillFigures {
  const { id, outcome, reason, snapshot, keys, startedAt, finishedAt, milliseconds } = drill;
  return { id, outcome, reason, snapshot, keys, startedAt, finishedAt, milliseconds };
}
