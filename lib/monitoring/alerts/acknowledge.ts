import { AppError } from '../../errors.js';
import type { Ports } from '../../ports/index.js';
import { type Acknowledgement, type Alert, changeState, type GuardState } from '../state.js';
import { type Condition, digestOf, type Finding, isResolvedIn, keyOf } from './condition.js';
import { namesOneEvent } from './sources.js';

const DAY_MS = 24 * 3_600_000;
/** How long an acknowledgement without an end lasts, if the alert's message does not name one event. */
const DEFAULT_MS = 7 * DAY_MS;

/** Returns the acknowledgements still in force, and the finding without the conditions that they cover. */
export function applyAcknowledgements(
  state: GuardState,
  finding: Finding,
  now: number,
): { readonly acknowledged: Acknowledgement[]; readonly finding: Finding } {
  const { conditions } = finding;
  const automatic = conditions.flatMap((condition) => acknowledgeRepaired(state.alerts, condition, now));
  const found = new Map(conditions.map((condition) => [keyOf(condition), condition]));
  const acknowledged = [...state.acknowledged, ...automatic].filter((each) => {
    if (hasEnded(each, now)) return false;
    const condition = found.get(keyOf(each));
    // A resolved alert needs no acknowledgement; if it returns, it is a new event.
    return condition === undefined ? !isResolvedIn(finding, each) : covers(each, condition, now);
  });
  const left = conditions.filter((condition) => !acknowledged.some((each) => covers(each, condition, now)));
  return { acknowledged, finding: { ...finding, conditions: left } };
}

/** An end that is not a valid time counts as past. */
function hasEnded({ until }: Acknowledgement, now: number): boolean {
  return until !== null && !(Date.parse(until) > now);
}

function covers(acknowledgement: Acknowledgement, condition: Condition, now: number): boolean {
  if (keyOf(acknowledgement) !== keyOf(condition)) return false;
  if (hasEnded(acknowledgement, now)) return false;
  return acknowledgement.message === null || hasSameMessage(acknowledgement, condition);
}

function hasSameMessage(
  { digest, message }: Pick<Acknowledgement, 'digest' | 'message'>,
  condition: Condition,
): boolean {
  return message === condition.message || digest === digestOf(condition.message);
}

/** Acknowledges a sent alert automatically if a newer snapshot repaired the condition. */
function acknowledgeRepaired(alerts: readonly Alert[], condition: Condition, now: number): Acknowledgement[] {
  const { code, endsWith, message, subject } = condition;
  const alert = alerts.find((each) => keyOf(each) === keyOf(condition));
  if (endsWith === undefined || alert === undefined || !hasSameMessage(alert, condition) || alert.lastSentAt === null)
    return [];
  if (Date.parse(alert.since) >= endsWith) return [];
  const reason = 'a newer snapshot was taken, and the chain is intact from it on';
  return [{ code, subject, reason, at: new Date(now).toISOString(), until: null, message, digest: digestOf(message) }];
}

interface AcknowledgementRequest {
  readonly code: string;
  /** Null: all open alerts with this code. */
  readonly subject: string | null;
  readonly reason: string;
  /** ISO 8601; null for the default. */
  readonly until: string | null;
}

/** Acknowledges open alerts. Throws `not-found` if none is open, and `usage` if `until` is past. */
export async function acknowledgeAlerts(
  { clock, own, store }: Pick<Ports, 'clock' | 'store'> & { readonly own: string | null },
  { code, reason, subject, until }: AcknowledgementRequest,
): Promise<Acknowledgement[]> {
  const now = clock.now();
  if (until !== null && !(Date.parse(until) > now)) throw untilPastError(until);
  const at = new Date(now).toISOString();
  let added: Acknowledgement[] = [];
  const acknowledge = (state: GuardState): GuardState => {
    const open = state.alerts.filter(
      (alert) => alert.resolvedAt === null && alert.code === code && (subject === null || alert.subject === subject),
    );
    if (open.length === 0) throw notOpenError(state.alerts, code);
    added = open.map((alert) => {
      const isOneEvent = namesOneEvent(alert);
      const digest = isOneEvent && alert.digest !== undefined ? { digest: alert.digest } : {};
      const end = until ?? (isOneEvent ? null : new Date(clock.now() + DEFAULT_MS).toISOString());
      const message = isOneEvent ? alert.message : null;
      return { code, subject: alert.subject, reason, at, until: end, message, ...digest };
    });
    const keys = new Set(added.map(keyOf));
    return {
      ...state,
      alerts: state.alerts.map((alert) => (keys.has(keyOf(alert)) ? { ...alert, reason, resolvedAt: at } : alert)),
      acknowledged: [...state.acknowledged.filter((each) => !keys.has(keyOf(each))), ...added],
    };
  };
  await changeState(store, own, acknowledge, { keepsUnbelieved: true });
  return added;
}

/** An expired acknowledgement would close the alert, and the next guard would open it again. */
function untilPastError(until: string): AppError {
  return new AppError('usage', `The acknowledgement would expire at once: ${until} is not in the future`, {
    hint: 'Give a later time with --until, or leave the option out. Nothing was changed.',
  });
}

function notOpenError(alerts: readonly Alert[], code: string): AppError {
  const open = alerts.filter(({ resolvedAt }) => resolvedAt === null).map((alert) => keyOf(alert));
  return new AppError('not-found', `No alert ${JSON.stringify(code.slice(0, 60))} is recorded as open`, {
    hint: `${open.length === 0 ? 'No alert is recorded as open.' : `Recorded open alerts: ${open.slice(0, 10).join('; ')}.`} The guard records the alerts that \`alerts\` shows as not told yet: \`npx soulcaster-backup guard --env-file .env\`.`,
  });
}
