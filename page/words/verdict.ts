import type { Status, CheckFigures, ListedSnapshot } from '../api/types.js';
import { address } from './address.js';
import { stalledTime, titleWords } from './runs.js';
import type { Feed } from '../state/feed.js';
import { count, counted, duration } from './format.js';
import type { Tone } from './labels.js';

/** A problem, and where to fix it. */
interface Reason {
  readonly words: string;
  readonly tone: Tone;
  /** What to do, if known; names and commands in backticks. */
  readonly hint?: string | null;
  readonly to: string;
  /** The text of the link: `Back up now`. */
  readonly remedy: string;
  /** Whether this problem must be fixed before the others. */
  readonly isFirst?: boolean;
}

export interface Verdict {
  readonly tone: Tone;
  readonly headline: string;
  /** Sorted: the problem to fix first comes first. */
  readonly reasons: readonly Reason[];
  readonly detail: string;
}

const HOUR_MS = 3_600_000;

/** The age of the newest recoverable data, and why there is none; `why` is null when the age is known. */
export function recoverableTo({ ageHours, ambiguous }: Pick<Status['recoveryPoint'], 'ageHours' | 'ambiguous'>): {
  readonly figure: string;
  readonly why: string | null;
} {
  if (ambiguous) {
    const why = 'The store holds snapshots of several databases, and none is configured here.';
    return { figure: 'not known', why };
  }
  if (ageHours === null) return { figure: 'nothing', why: 'There is no verified backup.' };
  return { figure: `${duration(ageHours * HOUR_MS)} ago`, why: null };
}

const ANSWERS = ['recoverable', 'services', 'watched', 'recoveryTime'] as const;
export type AnswerName = (typeof ANSWERS)[number];

const WRONG: Readonly<Record<AnswerName, string>> = {
  recoverable: 'The data is at risk',
  services: 'A service does not work',
  watched: 'No alert would be delivered',
  recoveryTime: 'Recovery in time is not proven',
};
const UNKNOWN: Readonly<Record<AnswerName, string>> = {
  recoverable: 'It is not known whether the data could be brought back',
  services: 'It is not known whether every service works',
  watched: 'It is not known whether alerts would be delivered',
  recoveryTime: 'It is not known how long recovery takes',
};
const MOST_ALERTS = 3;
const UNREAD =
  'Whether the data is safe is not known until the status can be read. Try a terminal: `npx soulcaster-backup status --env-file .env`.';
const HEALTH = address(['health']);

/**
 * Whether the data is safe: only when all four answers of the status are ok; open alerts and stalled runs are warnings. An
 * old or unknown status is never called safe.
 */
export function verdictOf({ data, error }: Pick<Feed<Status>, 'data' | 'error'>, isOld: boolean): Verdict {
  if (data === null && error === null) return simpleVerdict('busy', 'Reading the status…', 'One moment.');
  if (data === null || isOld) {
    const words = error === null ? 'Not known' : `Not known: ${lowerFirst(error.message)}`;
    return simpleVerdict(
      'warn',
      words,
      data === null ? UNREAD : `The figures below are out of date: do not rely on them. ${UNREAD}`,
    );
  }
  const wrong = ANSWERS.filter((name) => data[name].state === 'not-ok');
  const unknown = ANSWERS.filter((name) => data[name].state !== 'ok' && data[name].state !== 'not-ok');
  const inOrder = [...wrong, ...unknown];
  const reasons = [
    ...inOrder.flatMap((name) => reasonsOf(data, name)).sort(compareUrgency),
    ...stalledReasons(data),
    ...alertReasons(data),
  ];
  if (wrong.length > 0)
    return { tone: 'bad', headline: buildWrongHeadline(data, wrong), reasons, detail: describeOthers(wrong, unknown) };
  if (unknown.length > 0 || data.state !== 'ok') {
    const words = unknown.length === 0 ? 'Not known' : findHeadline(unknown, UNKNOWN);
    return { tone: 'warn', headline: words, reasons, detail: describeOthers(unknown, []) };
  }
  const detail = 'Both objectives are met, every service works, and an alert is sent when that changes.';
  if (reasons.length > 0)
    return { tone: 'warn', headline: `The data is safe, with ${counted(reasons.length, 'warning')}`, reasons, detail };
  return { tone: 'good', headline: 'The data is safe', reasons, detail };
}

function compareUrgency(a: Reason, b: Reason): number {
  return Number(b.isFirst ?? false) - Number(a.isFirst ?? false);
}

function simpleVerdict(tone: Tone, headline: string, detail: string): Verdict {
  return { tone, headline, detail, reasons: [] };
}

function findHeadline([first]: readonly AnswerName[], words: Readonly<Record<AnswerName, string>>): string {
  return first === undefined ? '' : words[first];
}

/** Names the service that does not work, or the silent guard: an operator who was paged needs that first. */
function buildWrongHeadline(data: Status, wrong: readonly AnswerName[]): string {
  if (wrong[0] === 'services') {
    const down = data.services.items.filter(({ state }) => state === 'not-ok').map(({ name }) => serviceName(name));
    const names = down.length > 2 ? `${down[0] ?? ''} and ${count(down.length - 1)} more services` : down.join(' and ');
    if (down.length > 0) return `${capitalize(names)} ${down.length === 1 ? 'does' : 'do'} not work`;
  }
  if (wrong[0] === 'watched' && data.watched.schedulers.some(({ state }) => state === 'silent'))
    return 'The guard is silent: no alert would be sent';
  return findHeadline(wrong, WRONG);
}

function describeOthers([, ...wrong]: readonly AnswerName[], unknown: readonly AnswerName[]): string {
  const words = [...wrong.map((name) => WRONG[name]), ...unknown.map((name) => UNKNOWN[name])];
  return words.length === 0 ? '' : `Also: ${words.map(lowerFirst).join('; ')}.`;
}

const ID = /\d{8}T\d{6}Z-[0-9a-z]{6}/;

/** The reasons of one answer, each with a link to its remedy. */
export function reasonsOf(data: Status, name: AnswerName): Reason[] {
  const { reasons, state } = data[name];
  const tone: Tone = state === 'not-ok' ? 'bad' : 'warn';
  return reasons.map((text) => {
    const [to, remedy] = remedyOf(data, name, text);
    if (name !== 'services') return { words: toSentence(text), tone, hint: hintOf(data, name), to, remedy };
    const service = data.services.items.find((item) => text === `${item.name}: ${item.reason ?? ''}`);
    const isFirst = tone === 'bad' && /^(redis|store)$/.test(service?.name ?? '');
    return { words: serviceWords(text), tone, hint: service?.hint ?? null, to, remedy, isFirst };
  });
}

/** The hint of the alert for the same problem; null unless exactly one alert matches the only reason. */
function hintOf(data: Status, name: AnswerName): string | null {
  const [alert, ...others] = data.alerts.filter(({ code }) => SAID_BY[name].test(code));
  return alert !== undefined && others.length === 0 && data[name].reasons.length === 1 ? alert.hint : null;
}

function remedyOf(data: Status, name: AnswerName, text: string): readonly [string, string] {
  const id = ID.exec(text)?.[0];
  if (name === 'services') return [HEALTH, 'What to do'];
  if (name === 'watched')
    return [HEALTH, /alert|watchdog|ALERT_/.test(text) ? 'Send a test alert' : 'See who calls the guard'];
  if (name === 'recoveryTime') {
    if (id !== undefined && /failed/.test(text)) return [address(['runs', id]), 'See why'];
    // Without the key to open snapshots or without a scratch database, the functions cannot run a drill.
    if (data.recoveryTime.drilledBy !== 'guard') return ['/assets/runbook.html#drills', 'How to drill'];
    return [address([], { do: 'drill' }), 'Drill now'];
  }
  if (id !== undefined && data.unfinished.some(({ run }) => run === id))
    return [address(['runs', id]), 'See the restore'];
  if (!/verified snapshot/.test(text)) {
    const alert = data.alerts.find(({ message }) => message === text);
    return alert === undefined ? [HEALTH, 'What to do'] : [runbookOf(alert.code), 'What to do'];
  }
  const down = data.services.items.find((item) => item.state === 'not-ok' && /redis|store/i.test(item.name));
  return down === undefined
    ? [address([], { do: 'backup' }), 'Back up now']
    : [HEALTH, `Fix ${serviceName(down.name)} first`];
}

/** A reason for each stalled run. */
function stalledReasons(data: Status): Reason[] {
  const now = Date.parse(data.at);
  return data.runs.flatMap((run) => {
    const ms = stalledTime(run, now);
    if (ms === null) return [];
    const words = `${titleWords(run)} has made no progress for ${duration(ms)}.`;
    return [{ words, tone: 'warn' as const, to: address(['runs', run.runId]), remedy: 'See the run' }];
  });
}

/** Alerts that repeat a reason of an answer, by their codes. */
const SAID_BY: Readonly<Record<AnswerName, RegExp>> = {
  recoverable: /^(rpo-|restore-unfinished|control-state|lease-|snapshot-untrusted)/,
  services: /^(credential-failed|store-unavailable)/,
  watched: /^guard-/,
  recoveryTime: /^(drill-|rto-)/,
};

/** A reason for each alert that no answer covers, up to MOST_ALERTS. */
function alertReasons(data: Status): Reason[] {
  const open = data.alerts.filter(
    ({ code }) => !ANSWERS.some((name) => data[name].state !== 'ok' && SAID_BY[name].test(code)),
  );
  const named = open.slice(0, MOST_ALERTS).map(({ code, hint, message }): Reason => {
    const id = code.startsWith('snapshot-') ? ID.exec(message)?.[0] : undefined;
    const [to, remedy] =
      id === undefined ? [runbookOf(code), 'What to do'] : [address(['snapshots', id]), 'See the snapshot'];
    return { words: toSentence(message), tone: 'warn', hint, to, remedy };
  });
  if (open.length <= MOST_ALERTS) return named;
  const words = `${counted(open.length - MOST_ALERTS, 'more alert')} below.`;
  return [...named, { words, tone: 'warn', to: address([]), remedy: 'See all' }];
}

/** The runbook's entry for an alert. */
export function runbookOf(code: string): string {
  return `/assets/runbook.html#alert-${code}`;
}

const SERVICES: Readonly<Record<string, string>> = {
  redis: 'Redis',
  store: 'the store',
  replica: 'the second store',
  queue: 'the queue',
  index: 'the vector index',
  embedder: 'the embedder',
  backend: 'the backend',
};

/** The name of a service as a heading. */
export function serviceTitle(name: string): string {
  return capitalize(serviceName(name).replace(/^the /, ''));
}

/** The name of a service in a sentence: `Redis`, `the store`. */
function serviceName(name: string): string {
  return SERVICES[name] ?? name;
}

/** `redis: Redis refuses the token` without the repeated name. */
function serviceWords(text: string): string {
  const [, name = '', reason = text] = /^([\w-]+): (.*)$/s.exec(text) ?? [];
  const words = serviceName(name);
  const isNamed = reason.toLowerCase().includes(words.replace(/^the /, '').toLowerCase());
  return toSentence(isNamed || name === '' ? reason : `${words}: ${reason}`);
}

function toSentence(text: string): string {
  return `${capitalize(text)}${/[.!?]$/.test(text) ? '' : '.'}`;
}

function capitalize(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}`;
}

/** Lower-cases the first letter within a sentence; names such as `QStash` and acronyms keep theirs. */
function lowerFirst(text: string): string {
  return /^[A-Z][a-z]*(?: |$)/.test(text) && !/^Redis\b/.test(text)
    ? `${text.charAt(0).toLowerCase()}${text.slice(1)}`
    : text;
}

const WEEK_MS = 7 * 86_400_000;
const GROUPS: readonly (readonly [title: string, statuses: readonly CheckFigures['status'][]])[] = [
  ['Does not work', ['fail']],
  ['Missing protections', ['warn', 'skipped']],
  ['Not known', ['unknown']],
  ['Works', ['ok']],
];

/** Checks grouped by urgency, failures first. Empty groups are left out. */
export function checkGroups(checks: readonly CheckFigures[]) {
  return GROUPS.map(([title, statuses]) => ({
    title,
    checks: statuses.flatMap((status) => checks.filter((check) => check.status === status)),
  })).filter((group) => group.checks.length > 0);
}

/** The snapshots that retention removes within a week. */
export function findRemovedSoon(snapshots: readonly ListedSnapshot[], now = Date.now()): readonly ListedSnapshot[] {
  return snapshots.filter(({ goesAt }) => goesAt !== null && Date.parse(goesAt) - now < WEEK_MS);
}
