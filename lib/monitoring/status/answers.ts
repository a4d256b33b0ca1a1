import type { Condition } from '../alerts/condition.js';
import { deliveryTo } from '../alerts/view.js';
import type { EvaluateOptions } from '../alerts/source.js';
import { DRILLED_ELSEWHERE, LOCAL_DRILL_COMMAND, lastVerdict, timeOf } from '../drill-view.js';
import type { Facts } from '../facts.js';
import { AHEAD_MS, DRILL_OVERDUE_MS, STALE_MS } from '../objectives.js';
import type { RecoveryPoint } from '../recovery-point.js';
import type { RecoveryTime } from '../recovery-time.js';
import { heardOf, heardWords, type Heard } from '../schedulers.js';
import type { AnswerState, GuardState, RecordedAnswers, ServiceRecord } from '../state.js';

/** One of the four answers. Times in ISO 8601. */
export interface Answer {
  readonly state: AnswerState;
  /** Since when it has been so, as far as is known. */
  readonly since: string;
  /** When what it says was tried last; null when it never was. */
  readonly checkedAt: string | null;
  /** Who tried it: `guard`, `status`, or the id of a run. */
  readonly by: string | null;
  /** Why it is not ok, or not known. Empty when it is ok. */
  readonly reasons: readonly string[];
}

/** A service that was tried just now, and the checks that were made for it. */
export interface Tried {
  readonly record: ServiceRecord;
  readonly checks: readonly string[];
}

/** The four answers, and what two of them consist of. */
export interface Answers {
  /** Whether the data could be had back, no older than the objective says. */
  readonly recoverable: Answer;
  /** Whether that would take no longer than the objective says, as a drill has shown. */
  readonly recoveryTime: Answer;
  /** Whether every scheduler has called the guard in time, and what is wrong reaches somebody. */
  readonly watched: Answer & { readonly schedulers: readonly Heard[] };
  /** Whether every service that is configured worked when it was tried last, and that was not long ago. */
  readonly services: Answer & { readonly items: readonly ServiceRecord[] };
}

/** What the configuration has to say to alerts and answers. */
export interface AlertRules extends Pick<EvaluateOptions, 'drilledBy' | 'index' | 'schedulers' | 'skipTypes'> {
  /** Whether alerts reach somebody, and whether a watchdog is pinged; `address` is that of the alerter. */
  readonly alerting: { readonly channel: boolean; readonly heartbeat: boolean; readonly address?: string | null };
}

export interface AnswerEvidence {
  readonly facts: Facts;
  readonly point: RecoveryPoint;
  readonly time: RecoveryTime;
  /** What stands in the store and keeps it from being relied on. */
  readonly control: readonly Pick<Condition, 'message'>[];
  /** Services that were tried just now, over what the guard left. */
  readonly tried: readonly Tried[];
}

type Found = Omit<Answer, 'since'>;
const NAMES = ['recoverable', 'recoveryTime', 'watched', 'services'] as const;

/** The state of everything: `ok` only when all four answers are, `unknown` when nothing is known to be wrong. */
export function overallState(answers: Readonly<Record<(typeof NAMES)[number], Pick<Answer, 'state'>>>) {
  const states = NAMES.map((name) => answers[name].state);
  if (states.includes('not-ok')) return 'degraded' as const;
  return states.includes('unknown') ? ('unknown' as const) : ('ok' as const);
}
export type OverallState = ReturnType<typeof overallState>;

/** Evaluates the four answers. Reads nothing. */
export function evaluateAnswers(evidence: AnswerEvidence, state: GuardState, rules: AlertRules): Answers {
  const { now } = evidence.facts;
  const schedulers = heardOf(rules.schedulers, state, now);
  const items = currentServices(evidence.tried, state, rules, now);
  const found = {
    recoverable: recoverable(evidence),
    recoveryTime: recoveryTime(evidence, rules),
    watched: watched(schedulers, state, rules, now),
    services: services(items),
  };
  const withSince = (name: (typeof NAMES)[number]): Answer => ({
    ...found[name],
    since: sinceOf(state.answers?.[name], found[name].state, now),
  });
  return {
    recoverable: withSince('recoverable'),
    recoveryTime: withSince('recoveryTime'),
    watched: { ...withSince('watched'), schedulers },
    services: { ...withSince('services'), items },
  };
}

/** What the guard's state keeps of the answers, so that it is known since when they have been so. */
export function recordOf(answers: Answers, now: number): RecordedAnswers {
  const at = new Date(now).toISOString();
  const of = ({ since, state }: Answer) => ({ state, since, at });
  const { recoverable: point, recoveryTime: time, services: tried, watched: heard } = answers;
  return { recoverable: of(point), recoveryTime: of(time), watched: of(heard), services: of(tried) };
}

function sinceOf(recorded: RecordedAnswers['services'] | undefined, state: AnswerState, now: number): string {
  return recorded?.state === state ? recorded.since : new Date(now).toISOString();
}

/** `not-ok` when anything is wrong, else `unknown` when anything is not known. */
function weighed(wrong: readonly string[], unknown: readonly string[]): Pick<Found, 'reasons' | 'state'> {
  if (wrong.length > 0) return { state: 'not-ok', reasons: [...wrong, ...unknown] };
  return unknown.length > 0 ? { state: 'unknown', reasons: unknown } : { state: 'ok', reasons: [] };
}

function recoverable({ control, facts, point }: AnswerEvidence): Found {
  const verification = point.newest?.verification ?? null;
  const wrong = [
    ...pointWrongs(point),
    ...facts.unfinished.map(({ kind, run, since }) =>
      run === facts.restoring
        ? `${kind} ${run} is writing into the database`
        : `${kind} ${run} began to write into the database at ${since} and is not known to have ended well`,
    ),
    ...control.map(({ message }) => message),
  ];
  return { ...weighed(wrong, []), checkedAt: verification?.at ?? null, by: verification?.run ?? null };
}

function pointWrongs({ ageHours, ambiguous, met, newest, objectiveHours }: RecoveryPoint): string[] {
  if (met) return [];
  if (ambiguous) return ['the store holds snapshots of several databases, and none is configured here'];
  if (newest === null || ageHours === null) return ['there is no verified snapshot of this database'];
  return [`the newest verified snapshot, ${newest.id}, is ${ageHours} hours old; the objective is ${objectiveHours}`];
}

function recoveryTime({ facts, time }: AnswerEvidence, { drilledBy }: AlertRules): Found {
  const call = drilledBy === 'operator' ? `. ${DRILLED_ELSEWHERE}: ${LOCAL_DRILL_COMMAND}` : '';
  const last = lastVerdict(facts, facts.now);
  const tried = { checkedAt: last === null ? null : (last.finishedAt ?? last.startedAt), by: last?.id ?? null };
  if (last === null || time.met === null) {
    const failed = last === null ? [] : [`the last drill, ${last.id}, failed`];
    return { ...weighed(failed, [`no drill has passed yet${call}`]), ...tried };
  }
  const wrong = [
    ...(time.met ? [] : [`to have everything back would take longer than ${time.objectiveHours} hours`]),
    ...(last.outcome === 'passed'
      ? []
      : [`the last drill, ${last.id}, failed: ${last.reason ?? 'no reason was noted'}`]),
  ];
  const isOld = facts.now - timeOf(last) >= DRILL_OVERDUE_MS;
  return {
    ...weighed(wrong, isOld ? [`no drill has come to a verdict since ${tried.checkedAt ?? ''}${call}`] : []),
    ...tried,
  };
}

function watched(heard: readonly Heard[], state: GuardState, rules: AlertRules, now: number): Found {
  const { lastRunAt } = state;
  const wrong = heard.filter((each) => each.state === 'silent').map(heardWords);
  const unknown = heard.filter((each) => each.state === 'unknown').map(heardWords);
  if (heard.length === 0) {
    const age = lastRunAt === null ? Number.NaN : now - Date.parse(lastRunAt);
    if (lastRunAt === null) unknown.push('the guard has never run');
    else if (age >= STALE_MS.daily) wrong.push(`the guard ran last at ${lastRunAt}`);
    else if (age < -AHEAD_MS) unknown.push(`the guard ran last at ${lastRunAt}, which is in the future`);
  }
  const told = alerting(state, rules);
  return {
    ...weighed([...wrong, ...told.wrong], [...unknown, ...told.unknown]),
    checkedAt: lastRunAt,
    by: lastRunAt === null ? null : 'guard',
  };
}

/** Whether what is wrong reaches anybody. */
function alerting({ delivery, heartbeat }: GuardState, { alerting: has }: AlertRules) {
  const wrong: string[] = [];
  const unknown: string[] = [];
  const { lastFailure, lastSentAt } = deliveryTo(delivery, has.address ?? null);
  if (!has.channel && !has.heartbeat) wrong.push('ALERT_WEBHOOK_URL and HEARTBEAT_URL are not set: nobody is told');
  if (has.channel) {
    if (lastFailure?.outcome === 'failed')
      wrong.push(`the last alert message, ${lastFailure.at}, did not arrive: ${lastFailure.message}`);
    else if (lastFailure !== null) unknown.push(`it is not known whether the last alert message arrived`);
    else if (lastSentAt === null)
      unknown.push('no alert message was ever delivered: npx soulcaster-backup alerts test --env-file .env');
  }
  if (has.heartbeat) {
    if (heartbeat === null) unknown.push('the watchdog was never pinged');
    else if (heartbeat.error !== null)
      wrong.push(`the last ping to the watchdog, ${heartbeat.at}, failed: ${heartbeat.error.message}`);
  }
  return { wrong, unknown };
}

/** Whether what was tried then is not known any more: two turns of the guard ago, or in the future. */
export function isTooOld(checkedAt: string | null, { schedulers }: AlertRules, now: number): boolean {
  const limit = schedulers.includes('schedule') ? STALE_MS.hourly : STALE_MS.daily;
  const age = now - Date.parse(checkedAt ?? '');
  return !(age < limit && age >= -AHEAD_MS);
}

/** The newest word on each service. What was found wrong stands until somebody has made the same check again. */
function currentServices(
  tried: readonly Tried[],
  { services: recorded }: GuardState,
  rules: AlertRules,
  now: number,
): ServiceRecord[] {
  const isStale = ({ checkedAt }: ServiceRecord): boolean => isTooOld(checkedAt, rules, now);
  const known = new Map(recorded.map((record) => [record.name, record]));
  for (const { checks, record } of tried) {
    const before = known.get(record.name);
    const stands =
      before?.state === 'not-ok' && record.state === 'ok' && !checks.includes(before.check ?? '') && !isStale(before);
    if (stands) continue;
    known.set(record.name, before?.state === record.state ? { ...record, since: before.since } : record);
  }
  return [...known.values()].map((record) =>
    isStale(record) ? { ...record, state: 'unknown', reason: 'it was not tried for too long', hint: null } : record,
  );
}

function services(items: readonly ServiceRecord[]): Found {
  if (items.length === 0) return { state: 'unknown', reasons: ['no service was tried yet'], checkedAt: null, by: null };
  const of = (state: AnswerState): string[] =>
    items
      .filter((item) => item.state === state)
      .map(({ name, reason }) => `${name}: ${reason ?? 'no reason was noted'}`);
  // Of several the one that was tried longest ago: all of them were by then.
  const [oldest] = [...items].sort((a, b) => Date.parse(a.checkedAt) - Date.parse(b.checkedAt));
  return {
    ...weighed(of('not-ok'), of('unknown')),
    checkedAt: oldest?.checkedAt ?? null,
    by: oldest?.by ?? null,
  };
}
