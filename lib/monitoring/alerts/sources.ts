import type { Facts } from '../facts.js';
import { type AlertSource, type EvaluateOptions, type Evidence, type Finding, keyOf } from './condition.js';
import { CONTROL_ALERTS } from './from-control.js';
import { DOUBT_ALERTS } from './from-doubts.js';
import { DRILL_ALERTS } from './from-drills.js';
import { INDEX_ALERTS } from './from-index.js';
import { POINT_ALERTS } from './from-point.js';
import { RUN_ALERTS } from './from-runs.js';
import { SCHEDULER_ALERTS } from './from-schedulers.js';
import { SNAPSHOT_ALERTS } from './from-snapshots.js';

/** Alerts found by steps of the guard, or by an evaluation that cannot read the store. */
const FOUND_ELSEWHERE: AlertSource = {
  codes: {
    'run-stuck': 'step',
    'chain-broken': 'step',
    'credential-failed': 'step',
    'guard-failed': 'step',
    'store-unavailable': 'facts',
  },
  oneEvent: ['chain-broken'],
  find: () => [],
};

/** All alerts. */
export const ALERT_SOURCES: readonly AlertSource[] = [
  POINT_ALERTS,
  ...RUN_ALERTS,
  SNAPSHOT_ALERTS,
  DOUBT_ALERTS,
  DRILL_ALERTS,
  SCHEDULER_ALERTS,
  CONTROL_ALERTS,
  INDEX_ALERTS,
  FOUND_ELSEWHERE,
];

/** The codes with one of these kinds of evidence. */
function codesBy(...evidence: readonly Evidence[]): ReadonlySet<string> {
  const all = ALERT_SOURCES.flatMap(({ codes }) => Object.entries(codes));
  return new Set(all.flatMap(([code, by]) => (evidence.includes(by) ? [code] : [])));
}

export function alertCodes(): string[] {
  return [...codesBy('facts', 'all-facts', 'step')];
}

/** Whether the message of an alert names one event; other messages change while the condition lasts. */
export function namesOneEvent({ code }: { readonly code: string }): boolean {
  return ALERT_SOURCES.some(({ oneEvent }) => oneEvent?.includes(code) === true);
}

/** Evaluates all alerts that depend on the store's contents. */
export function evaluateFacts(facts: Facts, options: EvaluateOptions): Finding {
  return {
    conditions: ALERT_SOURCES.flatMap(({ find }) => find(facts, options)),
    evaluated: options.isGuard === true ? codesBy('facts', 'all-facts') : codesBy('facts'),
    undecided: new Set(ALERT_SOURCES.flatMap(({ undecided }) => undecided?.(facts) ?? []).map(keyOf)),
  };
}
