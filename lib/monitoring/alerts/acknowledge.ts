import { AppError } from '../../errors.js';
import type { Ports } from '../../ports/index.js';
import { changeState, type Acknowledgement, type Alert, type GuardState } from '../state.js';
import { digestOf, isOverIn, keyOf, type Condition, type Finding } from './condition.js';
import { namesOneEvent } from './sources.js';

const DAY_MS = 24 * 3_600_000;
/** How long a word holds that was given without an end, where the alert's words do not bind it. */
const DEFAULT_MS = 7 * DAY_MS;

/** The acknowledgements that still hold, and what was found without what they cover. */
export function acknowledge(
  state: GuardState,
  given: Finding,
  now: number,
): { readonly acknowledged: Acknowledgement[]; readonly finding: Finding } {
  const { conditions } = given;
  const byItself = conditions.flatMap((condition) => supersededBy(state.alerts, condition, now));
  const found = new Map(conditions.map((condition) => [keyOf(condition), condition]));
  const acknowledged = [...state.acknowledged, ...byItself].filter((word) => {
    if (hasEnded(word, now)) return false;
    const condition = found.get(keyOf(word));
    // What is over needs no word any more: when it comes back, that is something else.
    return condition === undefined ? !isOverIn(given, word) : covers(word, condition, now);
  });
  const left = conditions.filter((condition) => !acknowledged.some((word) => covers(word, condition, now)));
  return { acknowledged, finding: { ...given, conditions: left } };
}

/** Also where its end is no time. */
function hasEnded({ until }: Acknowledgement, now: number): boolean {
  return until !== null && !(Date.parse(until) > now);
}

function covers(word: Acknowledgement, condition: Condition, now: number): boolean {
  if (keyOf(word) !== keyOf(condition)) return false;
  if (hasEnded(word, now)) return false;
  return word.message === null || saysTheSame(word, condition);
}

function saysTheSame({ digest, message }: Pick<Acknowledgement, 'digest' | 'message'>, condition: Condition): boolean {
  return message === condition.message || digest === digestOf(condition.message);
}

/** An alert that was told, and that something newer has put right from then on, ends without anybody's word. */
function supersededBy(alerts: readonly Alert[], condition: Condition, now: number): Acknowledgement[] {
  const { code, endsWith, message, subject } = condition;
  const alert = alerts.find((each) => keyOf(each) === keyOf(condition));
  if (endsWith === undefined || alert === undefined || !saysTheSame(alert, condition) || alert.lastSentAt === null)
    return [];
  if (Date.parse(alert.since) >= endsWith) return [];
  const reason = 'a snapshot was taken since, from which on all is whole';
  return [{ code, subject, reason, at: new Date(now).toISOString(), until: null, message, digest: digestOf(message) }];
}

export interface Word {
  readonly code: string;
  /** Null: whatever is open under the code. */
  readonly subject: string | null;
  readonly reason: string;
  /** ISO 8601; null for the default. */
  readonly until: string | null;
}

/** Writes down an operator's word on open alerts. Throws `not-found` when none of them is open, and `usage` for an end that is over. */
export async function acknowledgeByHand(
  { clock, own, store }: Pick<Ports, 'clock' | 'store'> & { readonly own: string | null },
  { code, reason, subject, until }: Word,
): Promise<Acknowledgement[]> {
  const now = clock.now();
  if (until !== null && !(Date.parse(until) > now)) throw isOver(until);
  const at = new Date(now).toISOString();
  let given: Acknowledgement[] = [];
  await changeState(store, own, (state) => {
    const meant = state.alerts.filter(
      (alert) => alert.resolvedAt === null && alert.code === code && (subject === null || alert.subject === subject),
    );
    if (meant.length === 0) throw notOpen(state.alerts, code);
    given = meant.map((alert) => {
      const binds = namesOneEvent(alert);
      const digest = binds && alert.digest !== undefined ? { digest: alert.digest } : {};
      const end = until ?? (binds ? null : new Date(clock.now() + DEFAULT_MS).toISOString());
      return { code, subject: alert.subject, reason, at, until: end, message: binds ? alert.message : null, ...digest };
    });
    const keys = new Set(given.map(keyOf));
    return {
      ...state,
      alerts: state.alerts.map((alert) => (keys.has(keyOf(alert)) ? { ...alert, reason, resolvedAt: at } : alert)),
      acknowledged: [...state.acknowledged.filter((word) => !keys.has(keyOf(word))), ...given],
    };
  });
  return given;
}

/** Such a word would close the alert, and the next guard open it as a new one. */
function isOver(until: string): AppError {
  return new AppError('usage', `The acknowledgement would be over already: ${until} is not in the future`, {
    hint: 'Give a later time with --until, or leave it out. Nothing was changed.',
  });
}

function notOpen(alerts: readonly Alert[], code: string): AppError {
  const open = alerts.filter(({ resolvedAt }) => resolvedAt === null).map((alert) => keyOf(alert));
  return new AppError('not-found', `No alert ${JSON.stringify(code.slice(0, 60))} is on record as open`, {
    hint: `${open.length === 0 ? 'No alert is on record as open.' : `On record as open are: ${open.slice(0, 10).join('; ')}.`} What \`alerts\` shows as not told yet is put on record by a turn of the guard: \`npx soulcaster-backup guard --env-file .env\`.`,
  });
}
