import { toAppError } from '../../errors.js';
import type { AlertNotice } from '../../ports/alerter.js';
import type { Budget } from '../../runs/attempt.js';
import { applyAcknowledgements } from '../alerts/acknowledge.js';
import { type Condition, type Finding, mergeFindings } from '../alerts/condition.js';
import { type Notified, notify } from '../alerts/notify.js';
import { dropEndedMarks } from '../../snapshot/unfinished-marks.js';
import { pingedCheck } from '../checks.js';
import { withDeadline } from '../deadline.js';
import {
  evaluate,
  evaluateAndNotify,
  type EvaluatedAndNotified,
  type Evaluation,
  pingWatchdog,
  withCall,
} from '../evaluate.js';
import type { Alert, GuardState, HeartbeatState, Step } from '../state.js';
import { type GuardParts, shareOf, type Summary } from './parts.js';
import { chainStep, drillStep, scheduleStep, snapshotStep } from './steps.js';
import { checksStep, type Checked } from '../services.js';
import { resumeStuck } from './stuck.js';

/** The result of a guard's turn. */
export interface GuardReport {
  readonly at: string;
  /** The state at the end of the turn; `sent` includes alerts that the turn has resolved. */
  readonly outcome: 'ok' | 'alerts' | 'failed';
  readonly steps: readonly Step[];
  /** Open alerts. */
  readonly alerts: readonly Alert[];
  /** Notices sent in this turn. */
  readonly sent: readonly AlertNotice[];
  /** Whether every notice that was due was delivered and recorded. */
  readonly delivered: boolean;
}

/** Share of the time for the work; the rest is for sending alerts. */
const WORK_SHARE = 0.8;
/** The time to compare the marks of both stores, in milliseconds. */
const MARKS_MS = 5_000;
const NOTHING: Finding = { conditions: [], evaluated: new Set() };

/**
 * The guard's turn: evaluates the alerts first, so that a missed night is reported before it is repaired; resumes stuck runs,
 * takes a snapshot and starts a drill if they are due, checks the chain and the services, ensures the queue's schedule,
 * prunes and replicates, then evaluates and sends alerts again. A failed step does not stop the next. Two guards may run at
 * once: leases exclude their runs from each other, and each alert is sent by one of them.
 */
export async function guard(parts: GuardParts, budget: Budget): Promise<GuardReport> {
  const { clock } = parts.ports;
  const ping = await pingWatchdog(parts.ports, 'start');
  const { alerter, heartbeat, log, own, signer, store } = parts.ports;
  await dropMarks(parts);
  // Without `storeAway`: the evaluation at the end of the turn finds these alerts again and publishes all in one message.
  const before = await evaluateAndNotify({ ...parts, ports: { alerter, clock, heartbeat, log, own, signer, store } });
  const turn = recordSteps(parts, shareOf(budget, clock, WORK_SHARE));
  const stuck = await turn.finding('resume', (left) => resumeStuck(parts, left));
  await turn.summary('snapshot', (left) => snapshotStep(parts, left));
  const chain = await turn.finding('chain', () => chainStep(parts.ports));
  await turn.summary('drill', (left) => drillStep(parts, left));
  await turn.summary('schedule', () => scheduleStep(parts));
  const checked = await turn.finding('checks', (left) => checksStep(clock, checksAfter(parts, ping), left));
  await turn.summary('upkeep', parts.upkeep);
  const at = new Date(clock.now()).toISOString();
  const evaluation = await evaluate(parts, { caller: parts.caller, at });
  const found = [evaluation.finding, stuck ?? NOTHING, chain ?? NOTHING, checked ?? NOTHING, stepFailures(turn.steps)];
  const finding = mergeFindings(...found, checksCutOff(checked));
  return conclude(parts, turn.steps, checked, { ...evaluation, at, finding, before, ping });
}

/** So that no alert is sent of a restore that ended by the second store. The end of the turn replicates, which does the same. */
async function dropMarks({ marksElsewhere, ports: { clock, log, store } }: GuardParts): Promise<void> {
  const other = marksElsewhere?.() ?? null;
  if (other === null) return;
  await withDeadline(clock, clock.now() + MARKS_MS, () => dropEndedMarks(store, other)).catch((error: unknown) =>
    log.warn('marks-not-compared', { code: toAppError(error).code }),
  );
}

interface TurnResults extends Pick<Evaluation, 'finding' | 'pointMet' | 'updateAnswers'> {
  readonly at: string;
  /** Found and sent at the beginning of the turn. */
  readonly before: EvaluatedAndNotified;
  readonly ping: HeartbeatState;
}

async function conclude(
  parts: GuardParts,
  steps: readonly Step[],
  checked: Checked | null,
  { at, finding, pointMet, before, ping, updateAnswers }: TurnResults,
): Promise<GuardReport> {
  const isWhole = steps.every(({ state }) => state === 'done') && checked?.whole === true;
  const outcomeOf = (open: boolean): GuardReport['outcome'] => (!isWhole ? 'failed' : open ? 'alerts' : 'ok');
  const notified: Notified = await notify(parts.ports, finding, (state): GuardState => {
    const left = applyAcknowledgements(state, finding, parts.ports.clock.now()).finding.conditions;
    const outcome = outcomeOf(left.length > 0);
    const turn = { steps: [...steps], outcome, heartbeat: parts.alerting.heartbeat ? ping : null };
    const called = withCall(state, { at, caller: parts.caller }, parts);
    return updateAnswers({ ...called, ...checkedServices(state, checked, at), ...turn });
  });
  const { alerts, delivered } = notified;
  // If the alert channel does not work, the watchdog has to raise the alarm.
  const canAlert = delivered && checked?.services.some(isBrokenChannel) !== true;
  await pingWatchdog(parts.ports, pointMet && isWhole && canAlert ? 'success' : 'fail');
  const outcome = outcomeOf(alerts.length > 0);
  const sent = [...before.sent, ...notified.notices];
  parts.ports.log.info('guard-ended', { outcome, alerts: alerts.length, sent: sent.length });
  return { at, outcome, steps, alerts, sent, delivered };
}

function isBrokenChannel({ name, state }: Checked['services'][number]): boolean {
  return name === 'alerts' && state === 'not-ok';
}

/** The results of the checks. A service that there was no time to check keeps its record. */
function checkedServices(
  { services }: GuardState,
  checked: Checked | null,
  at: string,
): Partial<Pick<GuardState, 'checkedAt' | 'checks' | 'services'>> {
  if (checked === null) return {};
  const untried = services.filter(({ name }) => !checked.made.has(name) && !checked.whole);
  const found = checked.services.map((record) => {
    const before = services.find(({ name }) => name === record.name);
    return before?.state === record.state ? { ...record, since: before.since } : record;
  });
  return { checkedAt: at, checks: checked.checks.map(toStoredCheck), services: [...found, ...untried] };
}

function toStoredCheck({ name, status, detail, hint }: Checked['checks'][number]): GuardState['checks'][number] {
  return { name, status, detail, hint };
}

/** A turn without time for all checks is a failure: the services left out may be broken. */
function checksCutOff(checked: Checked | null): Finding {
  if (checked === null || checked.whole) return NOTHING;
  const message = 'There was no time left to check every service.';
  const hint = 'Find out which step of the guard takes so long; FUNCTION_LIMIT_SECONDS must match vercel.json.';
  return { conditions: [{ code: 'guard-failed', subject: 'checks', message, hint }], evaluated: new Set() };
}

/** The ping at the beginning of the turn replaces the check of the watchdog, unless its address is invalid. */
function checksAfter({ alerting, checks, ports }: GuardParts, ping: HeartbeatState): GuardParts['checks'] {
  const isPinged = alerting.heartbeat && ports.heartbeat.configured;
  return checks.map((group) => (isPinged && group[0]?.name === 'heartbeat' ? [pingedCheck(ping)] : group));
}

function stepFailures(steps: readonly Step[]): Finding {
  const conditions = steps.flatMap(({ name, error }): Condition[] =>
    error === null
      ? []
      : [
          {
            code: 'guard-failed',
            subject: name,
            message: `The guard's step ${name} failed: ${error.message}`,
            hint: error.hint,
          },
        ],
  );
  return { conditions, evaluated: new Set(['guard-failed']) };
}

/** Runs steps one after another and records the outcome of each; a failed step returns null. */
function recordSteps({ ports }: GuardParts, budget: Budget) {
  const steps: Step[] = [];
  const step = async <T>(name: string, work: (left: Budget) => Promise<T>, summaryOf: (done: T) => Summary) => {
    try {
      const done = await withDeadline(ports.clock, budget.deadline, () => work(budget));
      steps.push({ name, state: 'done', summary: summaryOf(done), error: null });
      return done;
    } catch (cause) {
      const { code, message, hint } = toAppError(cause);
      ports.log.error('guard-step-failed', { step: name, code, message });
      steps.push({ name, state: 'failed', summary: {}, error: { code, message, hint } });
      return null;
    }
  };
  return {
    steps,
    summary: (name: string, work: (left: Budget) => Promise<Summary>) => step(name, work, (summary) => summary),
    finding: <T extends { readonly summary: Summary }>(name: string, work: (left: Budget) => Promise<T>) =>
      step(name, work, ({ summary }) => summary),
  };
}
