import { AHEAD_MS } from '../../snapshot/order.js';
import type { Condition, EvaluateOptions } from '../alerts/condition.js';
import { deliveryTo } from '../alerts/messages.js';
import { DRILLED_ELSEWHERE, lastVerdict, LOCAL_DRILL_COMMAND, timeOf } from '../drill-view.js';
import type { Facts } from '../facts.js';
import { DRILL_OVERDUE_MS, type RecoveryPoint, type RecoveryTime, STALE_MS } from '../objectives.js';
import { describeScheduler, evaluateSchedulers, type SchedulerStatus } from '../schedulers.js';
import type { TriedService } from '../services.js';
import type { AnswerState, GuardState, RecordedAnswers, ServiceRecord } from '../state.js';

/** One of the four answers. Times in ISO 8601. */
export interface Answer {
  readonly state: AnswerState;
  /** Since when the answer has had this state, as far as is known. */
  readonly since: string;
  /** When the evidence was last checked; null if never. */
  readonly checkedAt: string | null;
  /** Who checked it: `guard`, `status`, or the id of a run. */
  readonly by: string | null;
  /** Why it is not ok or unknown; empty when it is ok. */
  readonly reasons: readonly string[];
}

export interface Answers {
  /** Whether the data can be restored, with a recovery point within the objective. */
  readonly recoverable: Answer;
  /** Whether a drill has shown that a restore takes no longer than the objective. */
  readonly recoveryTime: Answer;
  /** Whether every scheduler has called the guard in time, and alerts reach people. */
  readonly watched: Answer & { readonly schedulers: readonly SchedulerStatus[] };
  /** Whether every configured service worked when it was last tried, and that was recently. */
  readonly services: Answer & { readonly items: readonly ServiceRecord[] };
}

/** The configuration that alerts and answers depend on. */
export interface AlertRules extends Pick<EvaluateOptions, 'drilledBy' | 'index' | 'schedulers' | 'skipTypes'> {
  /** Whether an alert channel and a watchdog are configured; `address` is the alerter's. */
  readonly alerting: { readonly channel: boolean; readonly heartbeat: boolean; readonly address?: string | null };
}

export interface AnswerEvidence {
  readonly facts: Facts;
  readonly point: RecoveryPoint;
  readonly time: RecoveryTime;
  /** Conditions of control objects, for which the store cannot be relied on. */
  readonly control: readonly Pick<Condition, 'message'>[];
  /** Services tried just now; they replace the guard's records. */
  readonly tried: readonly TriedService[];
}

type Found = Omit<Answer, 'since'>;
/** The names of the four answers, in the order in which they are shown. */
export const ANSWERS = ['recoverable', 'recoveryTime', 'watched', 'services'] as const;
type AnswerName = (typeof ANSWERS)[number];

/** The state of everything: `ok` only when all four answers are, `unknown` when nothing is known to be wrong. */
export function overallState(answers: Readonly<Record<AnswerName, Pick<Answer, 'state'>>>) {
  const states = ANSWERS.map((name) => answers[name].state);
  if (states.includes('not-ok')) return 'degraded' as const;
  return states.includes('unknown') ? ('unknown' as const) : ('ok' as const);
}
export type OverallState = ReturnType<typeof overallState>;

/** Evaluates the four answers. Reads nothing. */
export function evaluateAnswers(evidence: AnswerEvidence, state: GuardState, rules: AlertRules): Answers {
  const { now } = evidence.facts;
  const schedulers = evaluateSchedulers(rules.schedulers, state, now);
  const items = currentServices(evidence.tried, state, rules, now);
  const found = {
    recoverable: evaluateRecoverable(evidence),
    recoveryTime: evaluateRecoveryTime(evidence, rules),
    watched: evaluateWatched(schedulers, state, rules, now),
    services: evaluateServices(items),
  };
  const answers = mapAnswers((name): Answer => {
    const recorded = state.answers?.[name];
    const since = recorded?.state === found[name].state ? recorded.since : new Date(now).toISOString();
    return { ...found[name], since };
  });
  return {
    ...answers,
    watched: { ...answers.watched, schedulers },
    services: { ...answers.services, items },
  };
}

/** The answers as the guard's state keeps them, to know since when each has had its state. */
export function toRecordedAnswers(answers: Answers, now: number): RecordedAnswers {
  const at = new Date(now).toISOString();
  return mapAnswers((name) => ({ state: answers[name].state, since: answers[name].since, at }));
}

function mapAnswers<T>(of: (name: AnswerName) => T): Record<AnswerName, T> {
  return Object.fromEntries(ANSWERS.map((name) => [name, of(name)])) as Record<AnswerName, T>;
}

/** `not-ok` when anything is wrong, else `unknown` when anything is unknown. */
function combineReasons(wrong: readonly string[], unknown: readonly string[]): Pick<Found, 'reasons' | 'state'> {
  if (wrong.length > 0) return { state: 'not-ok', reasons: [...wrong, ...unknown] };
  return unknown.length > 0 ? { state: 'unknown', reasons: unknown } : { state: 'ok', reasons: [] };
}

function evaluateRecoverable({ control, facts, point }: AnswerEvidence): Found {
  const verification = point.newest?.verification ?? null;
  const wrong = [
    ...recoveryPointProblems(point),
    ...facts.unfinished.map(({ kind, run, since }) =>
      run === facts.restoring
        ? `${kind} ${run} is writing to the database`
        : `${kind} ${run} began to write to the database at ${since} and is not known to have succeeded`,
    ),
    ...control.map(({ message }) => message),
  ];
  return { ...combineReasons(wrong, []), checkedAt: verification?.at ?? null, by: verification?.run ?? null };
}

function recoveryPointProblems({ ageHours, ambiguous, met, newest, objectiveHours }: RecoveryPoint): string[] {
  if (met) return [];
  if (ambiguous) return ['the store holds snapshots of several databases, and no database is configured here'];
  if (newest === null || ageHours === null) return ['there is no verified snapshot of this database'];
  return [`the newest verified snapshot, ${newest.id}, is ${ageHours} hours old; the objective is ${objectiveHours}`];
}

function evaluateRecoveryTime({ facts, time }: AnswerEvidence, { drilledBy }: AlertRules): Found {
  const call = drilledBy === 'operator' ? `. ${DRILLED_ELSEWHERE}: ${LOCAL_DRILL_COMMAND}` : '';
  const last = lastVerdict(facts, facts.now);
  const tried = { checkedAt: last === null ? null : (last.finishedAt ?? last.startedAt), by: last?.id ?? null };
  if (last === null || time.met === null) {
    const failed = last === null ? [] : [`the last drill, ${last.id}, failed`];
    return { ...combineReasons(failed, [`no drill has passed yet${call}`]), ...tried };
  }
  const wrong = [
    ...(time.met ? [] : [`a full restore would take longer than ${time.objectiveHours} hours`]),
    ...(last.outcome === 'passed'
      ? []
      : [`the last drill, ${last.id}, failed: ${last.reason ?? 'no reason was recorded'}`]),
  ];
  const isOld = facts.now - timeOf(last) >= DRILL_OVERDUE_MS;
  return {
    ...combineReasons(wrong, isOld ? [`no drill has reached a verdict since ${tried.checkedAt ?? ''}${call}`] : []),
    ...tried,
  };
}

function evaluateWatched(
  schedulers: readonly SchedulerStatus[],
  state: GuardState,
  rules: AlertRules,
  now: number,
): Found {
  const { lastRunAt } = state;
  const wrong = schedulers.filter((each) => each.state === 'silent').map(describeScheduler);
  const unknown = schedulers.filter((each) => each.state === 'unknown').map(describeScheduler);
  if (schedulers.length === 0) {
    const age = lastRunAt === null ? Number.NaN : now - Date.parse(lastRunAt);
    if (lastRunAt === null) unknown.push('the guard has never run');
    else if (age >= STALE_MS.daily) wrong.push(`the guard last ran at ${lastRunAt}`);
    else if (age < -AHEAD_MS) unknown.push(`the guard last ran at ${lastRunAt}, which is in the future`);
  }
  const alerting = evaluateAlerting(state, rules);
  return {
    ...combineReasons([...wrong, ...alerting.wrong], [...unknown, ...alerting.unknown]),
    checkedAt: lastRunAt,
    by: lastRunAt === null ? null : 'guard',
  };
}

/** What keeps alerts from reaching people. */
function evaluateAlerting({ delivery, heartbeat }: GuardState, { alerting }: AlertRules) {
  const wrong: string[] = [];
  const unknown: string[] = [];
  const { lastFailure, lastSentAt } = deliveryTo(delivery, alerting.address ?? null);
  if (!alerting.channel && !alerting.heartbeat)
    wrong.push('ALERT_WEBHOOK_URL and HEARTBEAT_URL are not set: alerts reach nobody');
  if (alerting.channel) {
    if (lastFailure?.outcome === 'failed')
      wrong.push(`the last alert message, ${lastFailure.at}, did not arrive: ${lastFailure.message}`);
    else if (lastFailure !== null) unknown.push('it is unknown whether the last alert message arrived');
    else if (lastSentAt === null)
      unknown.push('no alert message has been delivered yet: npx soulcaster-backup alerts test --env-file .env');
  }
  if (alerting.heartbeat) {
    if (heartbeat === null) unknown.push('the watchdog has never been pinged');
    else if (heartbeat.error !== null)
      wrong.push(`the last ping to the watchdog, ${heartbeat.at}, failed: ${heartbeat.error.message}`);
  }
  return { wrong, unknown };
}

/** Whether a check is too old to count: made two turns of the guard ago, or dated in the future. */
export function isTooOld(checkedAt: string | null, { schedulers }: AlertRules, now: number): boolean {
  const limit = schedulers.includes('schedule') ? STALE_MS.hourly : STALE_MS.daily;
  const age = now - Date.parse(checkedAt ?? '');
  return !(age < limit && age >= -AHEAD_MS);
}

/** The newest record of each service. A failure stands until the same check has been made again. */
function currentServices(
  tried: readonly TriedService[],
  { services: recorded }: GuardState,
  rules: AlertRules,
  now: number,
): ServiceRecord[] {
  const isStale = ({ checkedAt }: ServiceRecord): boolean => isTooOld(checkedAt, rules, now);
  const known = new Map(recorded.map((record) => [record.name, record]));
  for (const { checks, record } of tried) {
    const before = known.get(record.name);
    const isStillFailing =
      before?.state === 'not-ok' && record.state === 'ok' && !checks.includes(before.check ?? '') && !isStale(before);
    if (isStillFailing) continue;
    known.set(record.name, before?.state === record.state ? { ...record, since: before.since } : record);
  }
  return [...known.values()].map((record) =>
    isStale(record)
      ? { ...record, state: 'unknown', reason: 'it has not been checked for too long', hint: null }
      : record,
  );
}

function evaluateServices(items: readonly ServiceRecord[]): Found {
  if (items.length === 0)
    return { state: 'unknown', reasons: ['no service has been checked yet'], checkedAt: null, by: null };
  const reasonsOf = (state: AnswerState): string[] =>
    items
      .filter((item) => item.state === state)
      .map(({ name, reason }) => `${name}: ${reason ?? 'no reason was recorded'}`);
  // The oldest check: by then every service had been checked.
  const [oldest] = [...items].sort((a, b) => Date.parse(a.checkedAt) - Date.parse(b.checkedAt));
  return {
    ...combineReasons(reasonsOf('not-ok'), reasonsOf('unknown')),
    checkedAt: oldest?.checkedAt ?? null,
    by: oldest?.by ?? null,
  };
}
