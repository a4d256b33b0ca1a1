import { describe, expect, it } from '@jest/globals';
import { serviceRecord } from '../../lib/monitoring/services.js';
import { evaluateSchedulers, recordCall } from '../../lib/monitoring/schedulers.js';
import type { CheckResult } from '../../lib/health/doctor.js';
import type { DrillView } from '../../lib/monitoring/drill-view.js';
import type { Facts } from '../../lib/monitoring/facts.js';
import { type RecoveryPoint, recoveryTimeOf } from '../../lib/monitoring/objectives.js';
import type { GuardState, ServiceRecord } from '../../lib/monitoring/state.js';
import {
  evaluateAnswers,
  overallState,
  toRecordedAnswers,
  type AlertRules,
  type AnswerEvidence,
  type Answers,
} from '../../lib/monitoring/status/answers.js';

const NOW = Date.parse('2026-11-22T14:00:00Z');
const HOUR = 3_600_000;
const at = (hours: number): string => new Date(NOW - hours * HOUR).toISOString();

const RULES: AlertRules = {
  drilledBy: 'guard',
  skipTypes: [],
  schedulers: ['cron', 'schedule'],
  alerting: { channel: true, heartbeat: true },
};
const service = (changes: Partial<ServiceRecord> = {}): ServiceRecord => {
  const none = { check: null, reason: null, hint: null };
  return { name: 'redis', state: 'ok', since: at(9), checkedAt: at(0.5), by: 'guard', ...none, ...changes };
};
const down = { state: 'not-ok', check: 'redis', reason: 'Upstash Redis cannot be reached' } as const;

/** A guard that was called by both, an hour ago by the schedule, and found all well. */
function state(changes: Partial<GuardState> = {}): GuardState {
  return {
    ...{
      version: 1,
      source: null,
      lastRunAt: at(0.5),
      outcome: 'ok',
      steps: [],
      checkedAt: at(0.5),
      checks: [],
      alerts: [],
    },
    ...{ acknowledged: [], delivery: { to: null, lastSentAt: at(20), lastFailure: null }, answers: null },
    callers: {
      cron: { since: at(99), lastAt: at(20) },
      schedule: { since: at(99), lastAt: at(0.5) },
      operator: null,
    },
    services: [service()],
    heartbeat: { at: at(0.5), error: null },
    storeBackAt: null,
    ...changes,
  };
}

const DRILL: DrillView = {
  ...{ id: 'd1', outcome: 'passed', reason: null, snapshot: 's', keys: 10, milliseconds: 60_000 },
  ...{ startedAt: at(30), finishedAt: at(30) },
};
const POINT = {
  ...{ objectiveHours: 24, ageHours: 3, ageMs: 3 * HOUR, met: true, passedOver: [], ambiguous: false },
  newest: { id: 's1', verification: { at: at(2.9), run: 's1' } },
} as unknown as RecoveryPoint;

function answers(
  changes: Partial<GuardState> = {},
  { drills = [DRILL], rules = {}, ...evidence }: Partial<AnswerEvidence> & Given = {},
): Answers {
  const lastPassed = drills.find(({ outcome }) => outcome === 'passed') ?? null;
  const facts = { now: NOW, drills, lastPassed, unfinished: [], restoring: null } as unknown as Facts;
  const time = recoveryTimeOf(lastPassed, 10);
  const all = { facts, point: POINT, time, control: [], tried: [], ...evidence };
  return evaluateAnswers(all, state(changes), { ...RULES, ...rules });
}
interface Given {
  readonly drills?: readonly DrillView[];
  readonly rules?: Partial<AlertRules>;
}

const statesOf = ({ recoverable, recoveryTime, services, watched }: Answers): string[] =>
  [recoverable, recoveryTime, watched, services].map((answer) => answer.state);

describe('the four answers', () => {
  it('are ok if each was checked recently with success, and name who checked', () => {
    const all = answers();
    expect(statesOf(all)).toEqual(['ok', 'ok', 'ok', 'ok']);
    expect(overallState(all)).toBe('ok');
    expect([all.recoverable, all.recoveryTime, all.watched, all.services].map(({ by }) => by)).toEqual([
      's1',
      'd1',
      'guard',
      'guard',
    ]);
  });

  const failed: DrillView = { ...DRILL, id: 'd2', outcome: 'failed', reason: 'part 3 differs', finishedAt: at(1) };
  const silent = (lastAt: string | null, since = at(99)) => ({ since, lastAt });
  const callers = state().callers;
  it.each<[string, Partial<GuardState>, Partial<AnswerEvidence> & Given, string[]]>([
    ['a recovery point that is over', {}, { point: { ...POINT, met: false, ageHours: 31 } }, ['not-ok', '', '', '']],
    ['control state that does not count', {}, { control: [{ message: 'x' }] }, ['not-ok', '', '', '']],
    ['no drill', {}, { drills: [] }, ['', 'unknown', '', '']],
    ['a drill long ago', {}, { drills: [{ ...DRILL, finishedAt: at(217) }] }, ['', 'unknown', '', '']],
    ['a drill that failed', {}, { drills: [failed, DRILL] }, ['', 'not-ok', '', '']],
    ['a drill that failed, and none before', {}, { drills: [failed] }, ['', 'not-ok', '', '']],
    ['a restore that takes too long', {}, { drills: [{ ...DRILL, milliseconds: 5 * HOUR }] }, ['', 'not-ok', '', '']],
    ['a silent cron', { callers: { ...callers, cron: silent(at(26)) } }, {}, ['', '', 'not-ok', '']],
    ['a silent schedule', { callers: { ...callers, schedule: silent(at(2.6)) } }, {}, ['', '', 'not-ok', '']],
    ['a schedule not heard of yet', { callers: { ...callers, schedule: null } }, {}, ['', '', 'unknown', '']],
    ['one never heard of for long', { callers: { ...callers, cron: silent(null) } }, {}, ['', '', 'not-ok', '']],
    ['one heard of in the future', { callers: { ...callers, cron: silent(at(-3)) } }, {}, ['', '', 'unknown', '']],
    [
      'a scheduler that is not configured',
      { callers: { ...callers, schedule: null } },
      { rules: { schedulers: ['cron'] } },
      [],
    ],
    ['no scheduler, and a guard by hand', {}, { rules: { schedulers: [] } }, []],
    ['no scheduler, and no guard', { lastRunAt: null }, { rules: { schedulers: [] } }, ['', '', 'unknown', '']],
    ['nobody to tell', {}, { rules: { alerting: { channel: false, heartbeat: false } } }, ['', '', 'not-ok', '']],
    [
      'nothing ever delivered',
      { delivery: { to: null, lastSentAt: null, lastFailure: null } },
      {},
      ['', '', 'unknown', ''],
    ],
    [
      'nothing delivered to the address of now',
      { delivery: { to: 'former', lastSentAt: at(20), lastFailure: null } },
      { rules: { alerting: { channel: true, heartbeat: true, address: 'present' } } },
      ['', '', 'unknown', ''],
    ],
    [
      'a watchdog that is not there',
      { heartbeat: { at: at(1), error: { code: 'x', message: 'no', hint: '' } } },
      {},
      ['', '', 'not-ok', ''],
    ],
    ['a watchdog never pinged', { heartbeat: null }, {}, ['', '', 'unknown', '']],
    ['a service that failed', { services: [service(down)] }, {}, ['', '', '', 'not-ok']],
    ['services tried too long ago', { services: [service({ checkedAt: at(2.6) })] }, {}, ['', '', '', 'unknown']],
    ['services tried in the future', { services: [service({ checkedAt: at(-1) })] }, {}, ['', '', '', 'unknown']],
    ['no service tried', { services: [] }, {}, ['', '', '', 'unknown']],
  ])('are not ok with %s', (_, changes, evidence, expected) => {
    const found = answers(changes, evidence);
    expect(statesOf(found)).toEqual(['ok', 'ok', 'ok', 'ok'].map((ok, index) => expected[index] || ok));
    const isOk = expected.length === 0;
    expect([overallState(found) === 'ok', statesOf(found).includes('not-ok')]).toEqual([
      isOk,
      expected.includes('not-ok'),
    ]);
    const all = [found.recoverable, found.recoveryTime, found.watched, found.services];
    expect(all.every(({ reasons, state: is }) => (is === 'ok') === (reasons.length === 0))).toBe(true);
  });

  it('keep the time since when they have had their state', () => {
    const first = answers();
    const kept = toRecordedAnswers({ ...first, watched: { ...first.watched, since: at(50) } }, NOW);
    expect(answers({ answers: kept }).watched.since).toBe(at(50));
    expect(answers({ answers: kept, heartbeat: null }).watched.since).toBe(at(0));
  });
});

describe('a service', () => {
  const now = (changes: Partial<ServiceRecord> = {}, checks = ['redis']) => ({
    tried: [{ record: service({ by: 'status', checkedAt: at(0), since: at(0), ...changes }), checks }],
  });

  it('has the state of its last check', () => {
    expect(answers({}, now(down)).services).toMatchObject({ state: 'not-ok', items: [{ by: 'status' }] });
    expect(answers({ services: [] }, now()).services).toMatchObject({ state: 'ok', by: 'status' });
    // Since when it was up is known from before.
    expect(answers({}, now()).services.items).toMatchObject([{ since: at(9), checkedAt: at(0) }]);
  });

  it('that failed stays failed until the same check was made again', () => {
    const scan = service({ ...down, check: 'redis-scan' });
    expect(answers({ services: [scan] }, now()).services.items).toMatchObject([{ state: 'not-ok', by: 'guard' }]);
    expect(answers({ services: [service(down)] }, now()).services.state).toBe('ok');
  });

  const result = (status: CheckResult['status'], changes: Partial<CheckResult> = {}): CheckResult => ({
    ...{ name: 'github-token', ok: true, status, detail: 'x', hint: null, ms: 1 },
    ...changes,
  });
  it.each<[string, CheckResult[], string | undefined]>([
    ['ok', [result('ok')], 'ok'],
    ['ok with a warning', [result('warn')], 'ok'],
    ['not ok while its host does not answer', [result('fail', { code: 'unreachable' })], 'not-ok'],
    ['not ok when one check of several failed', [result('ok'), result('fail', { name: 'x' })], 'not-ok'],
    ['nothing when it is not configured', [result('skipped')], undefined],
    ['nothing when it is no service', [result('ok', { name: 'retention' })], undefined],
    ['not ok when it is no service and wrong', [result('fail', { name: 'retention' })], 'not-ok'],
  ])('is %s', (_, results, expected) => expect(serviceRecord(results, 'guard', at(0))?.state).toBe(expected));
});

describe('a scheduler', () => {
  const NOBODY = { cron: null, schedule: null, operator: null };
  it('is expected from the first call of any scheduler on', () => {
    const callers = recordCall(NOBODY, 'operator', ['cron', 'schedule'], at(3));
    expect(
      evaluateSchedulers(['cron', 'schedule'], { callers, lastRunAt: at(3) }, NOW).map((each) => each.state),
    ).toEqual(['unknown', 'silent']);
    const called = recordCall(callers, 'schedule', ['cron', 'schedule'], at(1));
    expect(called).toEqual({
      cron: { since: at(3), lastAt: null },
      schedule: { since: at(3), lastAt: at(1) },
      operator: { since: at(3), lastAt: at(3) },
    });
    expect(evaluateSchedulers(['schedule'], { callers: called, lastRunAt: at(1) }, NOW)).toEqual([
      { scheduler: 'schedule', state: 'heard', lastAt: at(1), dueBy: at(-1.5) },
    ]);
  });
});
