import type { Status } from '../api/types.js';
import { address } from './address.js';
import { standstill } from '../state/runs.js';
import type { Feed } from '../state/feed.js';
import { counted, duration } from './format.js';
import { titleWords } from './run-words.js';
import type { Tone } from './tone.js';

/** Why something is not as it should be, and where it is mended. */
export interface Reason {
  readonly words: string;
  readonly tone: Tone;
  readonly to: string;
  /** What the link does: `Back up now`. */
  readonly remedy: string;
}

export interface Verdict {
  readonly tone: Tone;
  readonly headline: string;
  /** What first has to be done comes first. */
  readonly reasons: readonly Reason[];
  readonly detail: string;
}

export const ANSWERS = ['recoverable', 'services', 'watched', 'recoveryTime'] as const;
export type AnswerName = (typeof ANSWERS)[number];

const WRONG: Readonly<Record<AnswerName, string>> = {
  recoverable: 'The data is at risk',
  services: 'A service does not work',
  watched: 'Nobody would be told',
  recoveryTime: 'Recovery in time is not proven',
};
const UNKNOWN: Readonly<Record<AnswerName, string>> = {
  recoverable: 'It is not known whether the data could be brought back',
  services: 'It is not known whether every service works',
  watched: 'It is not known whether anybody would be told',
  recoveryTime: 'It is not known how long recovery takes',
};
const MOST_ALERTS = 3;
const HEALTH = address(['health']);

/**
 * The answer to whether the data is safe: only when all four answers of the status are ok, no alert is open and no run stands
 * still. What is old or not known is never called safe.
 */
export function verdictOf({ data, error }: Pick<Feed<Status>, 'data' | 'error'>, isOld: boolean): Verdict {
  if (data === null) {
    if (error === null) return plain('busy', 'Reading the status…', 'One moment.');
    return plain('warn', 'Not known', `The status cannot be read, so nothing can be said: ${error.message}.`);
  }
  if (isOld) {
    const detail = 'What is shown is old: it may be otherwise by now. Do not decide by it.';
    return plain('warn', 'Not known', detail);
  }
  const wrong = ANSWERS.filter((name) => data[name].state === 'not-ok');
  const unknown = ANSWERS.filter((name) => data[name].state !== 'ok' && data[name].state !== 'not-ok');
  const inOrder = [...wrong, ...unknown];
  const reasons = [
    ...inOrder.flatMap((name) => reasonsOf(data, name)).sort(urgentFirst),
    ...still(data),
    ...alerts(data),
  ];
  if (wrong.length > 0) return { tone: 'bad', headline: headline(wrong, WRONG), reasons, detail: also(wrong, unknown) };
  if (unknown.length > 0 || data.state !== 'ok') {
    const words = unknown.length === 0 ? 'Not known' : headline(unknown, UNKNOWN);
    return { tone: 'warn', headline: words, reasons, detail: also(unknown, []) };
  }
  const detail = 'Both objectives are met, every service works, and somebody is told when that changes.';
  if (reasons.length > 0) return { tone: 'warn', headline: 'The data is safe, but look', reasons, detail };
  return { tone: 'good', headline: 'The data is safe', reasons, detail };
}

/** Without the database or the store nothing else can be mended. */
function urgentFirst(a: Reason, b: Reason): number {
  const isUrgent = ({ tone, words }: Reason): number => (tone === 'bad' && /^(redis|store): /i.test(words) ? 0 : 1);
  return isUrgent(a) - isUrgent(b);
}

function plain(tone: Tone, headline: string, detail: string): Verdict {
  return { tone, headline, detail, reasons: [] };
}

function headline([first]: readonly AnswerName[], words: Readonly<Record<AnswerName, string>>): string {
  return first === undefined ? '' : words[first];
}

function also([, ...wrong]: readonly AnswerName[], unknown: readonly AnswerName[]): string {
  const words = [...wrong.map((name) => WRONG[name]), ...unknown.map((name) => UNKNOWN[name])];
  return words.length === 0
    ? ''
    : `Also: ${words.map((each) => each.charAt(0).toLowerCase() + each.slice(1)).join('; ')}.`;
}

const ID = /\d{8}T\d{6}Z-[0-9a-z]{6}/;

/** The reasons of one answer, each with where it is mended. */
export function reasonsOf(data: Status, name: AnswerName): Reason[] {
  const { reasons, state } = data[name];
  const tone: Tone = state === 'not-ok' ? 'bad' : 'warn';
  return reasons.map((text) => {
    const [to, remedy] = remedyOf(data, name, text);
    return { words: sentence(text), tone, to, remedy };
  });
}

function remedyOf(data: Status, name: AnswerName, text: string): readonly [string, string] {
  const id = ID.exec(text)?.[0];
  if (name === 'services') return [HEALTH, 'What to do'];
  if (name === 'watched')
    return [HEALTH, /alert|watchdog|ALERT_/.test(text) ? 'Send a test alert' : 'See who calls the guard'];
  if (name === 'recoveryTime') {
    if (id !== undefined && /failed/.test(text)) return [address(['runs', id]), 'See why'];
    // Where the functions cannot open a snapshot, or there is no scratch database, a drill from here would try nothing.
    if (data.recoveryTime.drilledBy !== 'guard') return ['/assets/runbook.html#drills', 'How to drill'];
    return [address([], { do: 'drill' }), 'Drill now'];
  }
  if (id !== undefined && data.unfinished.some(({ run }) => run === id))
    return [address(['runs', id]), 'See the restore'];
  if (!/verified snapshot/.test(text)) return [HEALTH, 'What to do'];
  const down = data.services.items.find((item) => item.state === 'not-ok' && /redis|store/i.test(item.name));
  return down === undefined ? [address([], { do: 'backup' }), 'Back up now'] : [HEALTH, `Mend ${down.name} first`];
}

/** Runs that are under way and do not get further. */
function still(data: Status): Reason[] {
  const now = Date.parse(data.at);
  return data.runs.flatMap((run) => {
    const ms = standstill(run, now);
    if (ms === null) return [];
    const words = `${titleWords(run)} has made no progress for ${duration(ms)}.`;
    return [{ words, tone: 'warn' as const, to: address(['runs', run.runId]), remedy: 'See the run' }];
  });
}

/** Which alerts say again what an answer says that is not ok. */
const SAID_BY: Readonly<Record<AnswerName, RegExp>> = {
  recoverable: /^(rpo-|restore-unfinished|control-state|lease-|snapshot-untrusted)/,
  services: /^(credential-failed|store-unavailable)/,
  watched: /^guard-/,
  recoveryTime: /^(drill-|rto-)/,
};

/** Alerts that no answer tells of. */
function alerts(data: Status): Reason[] {
  const open = data.alerts.filter(
    ({ code }) => !ANSWERS.some((name) => data[name].state !== 'ok' && SAID_BY[name].test(code)),
  );
  const named = open.slice(0, MOST_ALERTS).map(({ message }) => ({
    words: sentence(message),
    tone: 'warn' as const,
    to: HEALTH,
    remedy: 'What to do',
  }));
  if (open.length <= MOST_ALERTS) return named;
  const words = `${counted(open.length - MOST_ALERTS, 'more alert')} below.`;
  return [...named, { words, tone: 'warn', to: HEALTH, remedy: 'See all' }];
}

function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}${/[.!?]$/.test(text) ? '' : '.'}`;
}
