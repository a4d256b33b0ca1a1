import { toAppError } from '../../errors.js';
import type { AlertNotice } from '../../ports/alerter.js';
import type { Budget } from '../../runs/leg.js';
import { merged, type Condition, type Finding } from '../alerts/condition.js';
import { tell, type Told } from '../alerts/tell.js';
import { pulse } from '../heartbeat.js';
import { judge } from '../judge.js';
import { look, type Looked } from '../watch.js';
import type { Alert, GuardState, Step } from '../state.js';
import { chainStep } from './chain-step.js';
import { checksStep, type Checked } from './checks-step.js';
import { drillStep } from './drill-step.js';
import type { GuardParts, Summary } from './parts.js';
import { resumeStuck } from './resume.js';
import { snapshotStep } from './snapshot-step.js';
import { by, shareOf } from './time.js';

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
const NOTHING: Finding = { conditions: [], judged: new Set() };

/**
 * The guard's turn: evaluates the alerts first, so that a missed night is told before it is healed; sees to stuck runs,
 * takes a snapshot and starts a drill if they are due, looks at the chain and the services, does the upkeep, then
 * evaluates and tells again. Each step fails by itself. Two guards at a time do no harm: what they
 * start excludes itself, and what they tell is told by one of them.
 */
export async function guard(parts: GuardParts, budget: Budget): Promise<GuardReport> {
  const { clock } = parts.ports;
  await pulse(parts.ports, 'start');
  const before = await look(parts);
  const turn = takeDown(parts, shareOf(budget, clock, WORK_SHARE));
  const stuck = await turn.finding('resume', (left) => resumeStuck(parts, left));
  await turn.summary('snapshot', (left) => snapshotStep(parts, left));
  const chain = await turn.finding('chain', () => chainStep(parts.ports));
  await turn.summary('drill', (left) => drillStep(parts, left));
  const checked = await turn.finding('checks', (left) => checksStep(clock, parts.checks, left));
  await turn.summary('upkeep', parts.upkeep);
  const judged = await judge(parts, new Date(clock.now()).toISOString());
  const finding = merged(judged.finding, stuck ?? NOTHING, chain ?? NOTHING, checked ?? NOTHING, failures(turn.steps));
  return conclude(parts, turn.steps, checked, { ...judged, finding, before });
}

async function conclude(
  parts: GuardParts,
  steps: readonly Step[],
  checked: Checked | null,
  { finding, pointMet, before }: { readonly finding: Finding; readonly pointMet: boolean; readonly before: Looked },
): Promise<GuardReport> {
  const at = new Date(parts.ports.clock.now()).toISOString();
  const isWhole = steps.every(({ state }) => state === 'done');
  const outcomeOf = (open: boolean): GuardReport['outcome'] => (!isWhole ? 'failed' : open ? 'alerts' : 'ok');
  const told: Told = await tell(parts.ports, finding, (state): GuardState => {
    const checks = checked === null ? {} : { checkedAt: at, checks: checked.checks.map(shown) };
    return { ...state, ...checks, lastRunAt: at, steps: [...steps], outcome: outcomeOf(finding.conditions.length > 0) };
  });
  await pulse(parts.ports, pointMet && isWhole && told.delivered ? 'success' : 'fail');
  const outcome = outcomeOf(told.alerts.length > 0);
  const sent = [...before.sent, ...told.notices];
  parts.ports.log.info('guard-ended', { outcome, alerts: told.alerts.length, sent: sent.length });
  return { at, outcome, steps, alerts: told.alerts, sent, delivered: told.delivered };
}

function shown({ name, status, detail, hint }: Checked['checks'][number]): GuardState['checks'][number] {
  return { name, status, detail, hint };
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
  return { conditions, judged: new Set(['guard-failed']) };
}

/** Does steps one after another and writes down what came of each; null for one that failed. */
function takeDown({ ports }: GuardParts, budget: Budget) {
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
