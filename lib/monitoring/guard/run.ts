import { AppError, toAppError } from '../../errors.js';
import type { AlertNotice } from '../../ports/alerter.js';
import type { Budget } from '../../runs/attempt.js';
import { acknowledge } from '../alerts/acknowledge.js';
import { merged, type Condition, type Finding } from '../alerts/condition.js';
import { notify, type Notified } from '../alerts/notify.js';
import { pulse } from '../heartbeat.js';
import { calledBy, evaluate, type Evaluation } from '../evaluate.js';
import { evaluateAndNotify, type EvaluatedAndNotified } from '../evaluate-and-notify.js';
import type { Alert, GuardState, HeartbeatState, Step } from '../state.js';
import { pingedCheck } from '../checks.js';
import { chainStep, checksStep, type Checked, drillStep } from './steps.js';
import type { GuardParts, Summary } from './parts.js';
import { resumeStuck } from './resume.js';
import { by, shareOf } from './time.js';
import { ensureSchedule } from '../schedulers.js';
import { trustContext } from '../../snapshot/trust.js';
import { startSnapshot } from '../../snapshot/run.js';
import { isRepetition, isYoung, mayBeOlder, recoveryPoint } from '../recovery-point.js';

/** What a guard's turn came to. */
export interface GuardReport {
  readonly at: string;
  /** How things are at the end of the turn; `sent` names what was wrong at its start and was healed by it. */
  readonly outcome: 'ok' | 'alerts' | 'failed';
  readonly steps: readonly Step[];
  /** Those that are open. */
  readonly alerts: readonly Alert[];
  /** Those that were told of in this turn. */
  readonly sent: readonly AlertNotice[];
  /** Whether all that was due could be told and written down. */
  readonly delivered: boolean;
}

/** So much of the time is for the work; the rest is for telling what came of it. */
const WORK_SHARE = 0.8;
const NOTHING: Finding = { conditions: [], evaluated: new Set() };

/**
 * The guard's turn: evaluates the alerts first, so that a missed night is reported before it is repaired; resumes stuck runs,
 * takes a snapshot and starts a drill if they are due, checks the chain and the services, ensures the queue's schedule,
 * does the upkeep, then evaluates and sends alerts again. Each step fails by itself. Two guards at a time do no harm: what they
 * start excludes itself, and each alert is sent by one of them.
 */
export async function guard(parts: GuardParts, budget: Budget): Promise<GuardReport> {
  const { clock } = parts.ports;
  const ping = await pulse(parts.ports, 'start');
  const { alerter, heartbeat, log, own, signer, store } = parts.ports;
  // What is told now is told again at the end of the turn, with more beside it: one message over the queue has all of it.
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
  const judged = await evaluate(parts, { caller: parts.caller, at });
  const found = [judged.finding, stuck ?? NOTHING, chain ?? NOTHING, checked ?? NOTHING, failures(turn.steps)];
  const finding = merged(...found, untried(checked));
  return conclude(parts, turn.steps, checked, { ...judged, at, finding, before, ping });
}

interface Concluding extends Pick<Evaluation, 'answer' | 'finding' | 'pointMet'> {
  readonly at: string;
  /** What was found and sent at the beginning of the turn. */
  readonly before: EvaluatedAndNotified;
  readonly ping: HeartbeatState;
}

async function conclude(
  parts: GuardParts,
  steps: readonly Step[],
  checked: Checked | null,
  { answer, at, finding, pointMet, before, ping }: Concluding,
): Promise<GuardReport> {
  const isWhole = steps.every(({ state }) => state === 'done') && checked?.whole === true;
  const outcomeOf = (open: boolean): GuardReport['outcome'] => (!isWhole ? 'failed' : open ? 'alerts' : 'ok');
  const told: Notified = await notify(parts.ports, finding, (state): GuardState => {
    const outcome = outcomeOf(acknowledge(state, finding, parts.ports.clock.now()).finding.conditions.length > 0);
    const turn = { steps: [...steps], outcome, heartbeat: parts.alerting.heartbeat ? ping : null };
    return answer({ ...calledBy(state, { at, caller: parts.caller }, parts), ...tried(state, checked, at), ...turn });
  });
  // With the channel of alerts gone the watchdog is who is left to be told.
  const isHeard = told.delivered && checked?.services.some(isDeafChannel) !== true;
  await pulse(parts.ports, pointMet && isWhole && isHeard ? 'success' : 'fail');
  const outcome = outcomeOf(told.alerts.length > 0);
  const sent = [...before.sent, ...told.notices];
  parts.ports.log.info('guard-ended', { outcome, alerts: told.alerts.length, sent: sent.length });
  return { at, outcome, steps, alerts: told.alerts, sent, delivered: told.delivered };
}

function isDeafChannel({ name, state }: Checked['services'][number]): boolean {
  return name === 'alerts' && state === 'not-ok';
}

/** A check that there was no time for leaves what is known of its service as it was. */
function tried(
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
  return { checkedAt: at, checks: checked.checks.map(shown), services: [...found, ...untried] };
}

function shown({ name, status, detail, hint }: Checked['checks'][number]): GuardState['checks'][number] {
  return { name, status, detail, hint };
}

/** Checks that there was no time for prove nothing: a turn without them is not one after which all is well. */
function untried(checked: Checked | null): Finding {
  if (checked === null || checked.whole) return NOTHING;
  const message = 'There was no time left to try every service.';
  const hint = 'See which step of the guard takes so long; FUNCTION_LIMIT_SECONDS must be what vercel.json gives.';
  return { conditions: [{ code: 'guard-failed', subject: 'checks', message, hint }], evaluated: new Set() };
}

/** The watchdog was pinged at the beginning of the turn: how that went is its check, unless the address is none. */
function checksAfter({ alerting, checks, ports }: GuardParts, ping: HeartbeatState): GuardParts['checks'] {
  const isPinged = alerting.heartbeat && ports.heartbeat.configured;
  return checks.map((group) => (isPinged && group[0]?.name === 'heartbeat' ? [pingedCheck(ping)] : group));
}

function failures(steps: readonly Step[]): Finding {
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

/** Does steps one after another and writes down what came of each; null for one that failed. */
function recordSteps({ ports }: GuardParts, budget: Budget) {
  const steps: Step[] = [];
  const step = async <T>(name: string, work: (left: Budget) => Promise<T>, summaryOf: (done: T) => Summary) => {
    try {
      const done = await by(ports.clock, budget.deadline, () => work(budget));
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

/** Ensures that the queue calls the guard as well, where there is one. */
async function scheduleStep({ schedule }: Pick<GuardParts, 'schedule'>): Promise<Summary> {
  if (schedule === null) return { state: 'not-configured' };
  const { open, wanted } = schedule;
  return { state: await ensureSchedule(open(), wanted) };
}

/** Takes a snapshot when the newest good one is no longer young, or may not be. A run that is under way is left to do so. */
async function snapshotStep(parts: GuardParts, budget: Budget): Promise<Summary> {
  const { engine, ports, queued, work } = parts;
  const context = await trustContext(ports, ports.own);
  const { ageHours, ageMs, newest, passedOver } = await recoveryPoint(context);
  if (newest !== null && isYoung({ ageMs }) && !(await mayBeOlder(context, newest)))
    return { state: 'young', ageHours };
  if (isRepetition({ passedOver }, ports.clock.now())) return { state: 'not-repeated', ageHours };
  const started = await startSnapshot(engine, 'guard');
  if (!started.started) return { state: 'under-way', ageHours, run: started.holder };
  const { id } = started.run;
  if (queued && (await isEnqueued(parts, id))) return { state: 'started', ageHours, run: id };
  const run = await work(id, shareOf(budget, ports.clock, 3 / 4)).catch((error: unknown) => {
    // The queue had taken the run, and only its answer was lost.
    if (queued && error instanceof AppError && error.code === 'busy') return null;
    throw error;
  });
  return { state: run?.state ?? 'started', ageHours, run: id };
}

/** Hands a run to the queue. A queue that does not take it must not keep the guard from doing the work itself. */
async function isEnqueued({ engine, ports }: GuardParts, id: string): Promise<boolean> {
  try {
    await engine.enqueue(id);
    return true;
  } catch (error) {
    ports.log.warn('guard-works-without-queue', { run: id, code: toAppError(error).code });
    return false;
  }
}
