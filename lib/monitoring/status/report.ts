import { isOver, type RunRecord } from '../../runs/model.js';
import { isFromSource } from '../../runs/fit.js';
import { withTasksDone, runSummary, type RunSummary } from '../../runs/summary.js';
import { loadWholeManifest } from '../../snapshot/catalog-object.js';
import { assessWithPassedOver } from '../../snapshot/latest.js';
import { unsavedWords } from '../../snapshot/ledger.js';
import { countStates, isFoundDamaged, type SnapshotState, type TrustContext } from '../../snapshot/trust.js';
import { applyAcknowledgements } from '../alerts/acknowledge.js';
import { type Condition, type Finding, keyOf, mergeFindings } from '../alerts/condition.js';
import { isOfControl } from '../alerts/from-control.js';
import { applyEvaluation } from '../alerts/ledger.js';
import { evaluateFacts } from '../alerts/sources.js';
import { type Drills, type DrillView, lastVerdict, timeOf } from '../drill-view.js';
import { type Facts, gatherFacts, newestBackup } from '../facts.js';
import { stuckAmong, stuckCondition } from '../guard/stuck.js';
import {
  DRILL_EVERY_MS,
  type RecoveryPoint,
  recoveryPointOf,
  type RecoveryTime,
  recoveryTimeOf,
} from '../objectives.js';
import { checkFailed, tryNothing, type TriedService, type TryServices } from '../services.js';
import { type Acknowledgement, type GuardState, readState } from '../state.js';
import {
  type AlertRules,
  type Answer,
  type AnswerEvidence,
  type Answers,
  evaluateAnswers,
  isTooOld,
  overallState,
  type OverallState,
} from './answers.js';
import {
  type AlertFigures,
  deliveryFigures,
  type DeliveryFigures,
  indexFigures,
  type IndexFigures,
  openAlerts,
  spentBy,
  type SpentFigures,
} from './figures.js';

const MOST_RUNS = 20;
/** For a lease that cannot be read; a readable lease contains its own duration. */
const STUCK_TIMES = { attemptTtlMs: 60_000, holdMs: 15 * 60_000 };

type DrillFigures = Pick<
  DrillView,
  'id' | 'outcome' | 'reason' | 'snapshot' | 'keys' | 'startedAt' | 'finishedAt' | 'milliseconds'
>;

/** All figures for operators. Ages in hours, durations in milliseconds, sizes in bytes, times in ISO 8601. */
export interface StatusReport {
  /** `ok` if all four answers are ok, `degraded` if one is not ok, else `unknown`. */
  readonly state: OverallState;
  readonly at: string;
  /** Whether the data can be restored, with a recovery point within the objective; figures in `recoveryPoint`. */
  readonly recoverable: Answer;
  readonly watched: Answers['watched'];
  readonly services: Answers['services'];
  readonly recoveryPoint: Omit<RecoveryPoint, 'ageMs' | 'newest'> & {
    /** The snapshot that `latest` means: of this database, verified, and not doubtful. */
    readonly newestVerified: { readonly id: string; readonly keys: number } | null;
  };
  readonly recoveryTime: Answer &
    Omit<RecoveryTime, 'lastPassed'> & {
      readonly lastPassed: Pick<
        DrillView,
        'id' | 'snapshot' | 'keys' | 'milliseconds' | 'restoredMilliseconds' | 'finishedAt'
      > | null;
      readonly lastDrill: Pick<DrillView, 'id' | 'outcome' | 'reason' | 'finishedAt'> | null;
      /** Who starts drills: the guard, or an operator if the functions cannot decrypt snapshots; null for nobody. */
      readonly drilledBy: AlertRules['drilledBy'];
      /** When the next drill is due; null if none has reached a verdict yet. */
      readonly drillDueAt: string | null;
    };
  readonly storage: {
    readonly snapshots: number;
    readonly complete: number;
    readonly incomplete: number;
    readonly damaged: number;
    /** Number of snapshots in each state. */
    readonly states: Readonly<Record<SnapshotState, number>>;
    readonly storedBytes: number;
    /** Parts of all snapshots together: a listing returns 1,000 objects per request. */
    readonly parts: number;
  };
  /** Restores of the database that began to write and are not known to have succeeded. */
  readonly unfinished: readonly {
    readonly run: string;
    readonly kind: string;
    readonly since: string;
    readonly underWay: boolean;
  }[];
  /** What is missing from the newest backup; null without a backup. `types`: keys that no record can hold, by type. */
  readonly unsaved: {
    readonly snapshot: string;
    readonly words: string | null;
    readonly failed: number;
    readonly unsupported: number;
    readonly types: Readonly<Record<string, number>>;
    /** Null: its names were not scanned again (older versions). */
    readonly unexplained: number | null;
  } | null;
  /** The configured model, and the models of the vectors in the index; null if no index is configured. */
  readonly index: IndexFigures | null;
  readonly runs: readonly RunSummary[];
  /** Cost of the runs of the last days, as far as they were read: the first of them began at `since`. */
  readonly spent: SpentFigures;
  readonly drills: readonly DrillFigures[];
  readonly alerts: readonly AlertFigures[];
  readonly acknowledged: GuardState['acknowledged'];
  readonly delivery: DeliveryFigures;
  /** The guard's last result of each check, `unknown` if too old; replaced by the result of a check made just now. */
  readonly credentials: { readonly checkedAt: string | null; readonly checks: readonly CheckFigures[] };
  readonly guard: { readonly lastRunAt: string | null; readonly outcome: GuardState['outcome'] };
}

export type CheckFigures = Omit<GuardState['checks'][number], 'status'> & {
  readonly status: GuardState['checks'][number]['status'] | 'unknown';
};

/**
 * All figures: reads what `gatherFacts` reads, the guard's state, and for each run that is not over its lease and a listing of
 * finished tasks. `tryServices` tries configured services now, within seconds; all else is shown as the guard found it.
 */
export async function statusReport(
  context: TrustContext,
  drills: Drills,
  rules: AlertRules,
  tryServices: TryServices = tryNothing,
): Promise<StatusReport> {
  const trying = tryServices();
  // The state is read first: an unreadable state is among the facts.
  const state = await readState(context.store, context.own);
  const facts = await gatherFacts(context, drills);
  const tried = [...(await trying), storeTried(facts)];
  const { acknowledged, alerts, control } = await evaluateAlerts(context, state, facts, rules, findFailing(tried));
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
      checks: currentChecks(state, tried, isTooOld(state.checkedAt, rules, facts.now)),
    },
    guard: { lastRunAt: state.lastRunAt, outcome: state.outcome },
  };
}

function currentChecks({ checks }: GuardState, tried: readonly TriedService[], isOld: boolean): CheckFigures[] {
  const failed = new Map(tried.map(({ record }) => [record.state === 'not-ok' ? record.check : null, record]));
  return checks.map((check): CheckFigures => {
    const record = failed.get(check.name);
    if (record !== undefined) return { ...check, status: 'fail', detail: record.reason ?? '', hint: record.hint };
    return isOld && check.status !== 'skipped' ? { ...check, status: 'unknown' } : check;
  });
}

/** The store works: the facts were read from it just now. */
function storeTried({ now }: Facts): TriedService {
  const at = new Date(now).toISOString();
  const none = { check: null, reason: null, hint: null };
  return { record: { name: 'store', state: 'ok', since: at, checkedAt: at, by: 'status', ...none }, checks: ['store'] };
}

/** A service that fails now is an alert that the guard will send. */
function findFailing(tried: readonly TriedService[]): Finding {
  const conditions = tried
    .filter(({ record }) => record.state === 'not-ok')
    .map(({ record: { check, hint, name, reason } }) => checkFailed(check ?? name, reason ?? '', hint));
  return { conditions, evaluated: new Set() };
}

interface CurrentAlerts extends Pick<StatusReport, 'acknowledged' | 'alerts'> {
  /** Why the store cannot be relied on. An acknowledgement closes the alert, but the condition remains. */
  readonly control: AnswerEvidence['control'];
}

/**
 * The current alerts, by the guard's rules: a silent guard must neither hide new problems nor show resolved ones. Alerts that
 * only the guard can evaluate are shown as it left them.
 */
async function evaluateAlerts(
  context: TrustContext,
  state: GuardState,
  facts: Facts,
  rules: AlertRules,
  live: Finding,
): Promise<CurrentAlerts> {
  const evaluated = evaluateFacts(facts, { ...rules, guard: state });
  const found = mergeFindings(evaluated, await findStuck(context, facts), live);
  const { acknowledged, finding } = applyAcknowledgements(state, found, facts.now);
  const alerts = openAlerts({ ...state, alerts: applyEvaluation(state.alerts, finding, facts.now) });
  const byKey = new Map(
    [...acknowledged.map(acknowledgedCondition), ...alerts, ...found.conditions].map((one) => [keyOf(one), one]),
  );
  return { acknowledged, alerts, control: [...byKey.values()].filter(isOfControl) };
}

/** An acknowledged condition that only the guard can evaluate: it still holds. */
function acknowledgedCondition({
  code,
  reason,
  subject,
}: Acknowledgement): Pick<Condition, 'message' | 'subject'> & { readonly code: string } {
  return { code, subject, message: `${code} ${subject} is acknowledged and not resolved: ${reason}` };
}

/** The newest runs, and older ones that are not over. */
function shownRuns(runs: readonly RunRecord[]): RunRecord[] {
  return runs.filter((run, at) => at < MOST_RUNS || !isOver(run));
}

/** Without writes the store's time is unknown, and so is how long a run has been silent. */
async function findStuck(context: TrustContext, { runs }: Facts): Promise<Finding> {
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
    // An unreadable manifest counts as damage, as an unreadable part does.
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
