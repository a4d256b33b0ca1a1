import { bytes, count, counted, dollars, duration } from '../../lib/formats.js';
import type { RunCost } from '../api/types.js';

export { bytes, count, counted, dollars, duration };

/** In which zone instants are told. */
export type Zone = 'utc' | 'local';

const [SECOND, MINUTE, HOUR, DAY] = [1000, 60_000, 3_600_000, 86_400_000];

/** What is shown of a figure that is not known. */
export const UNKNOWN = '–';

/** A figure in the words for it, or that it is not known. */
export function known(value: number | null, words: (value: number) => string = count): string {
  return value === null ? UNKNOWN : words(value);
}

/** What was spent: `31,342 commands, at most $0.0627`. Null is not known, and 0 is nothing. */
export function costWords(cost: RunCost | null): string {
  if (cost === null) return 'not known';
  const { commands, estimatedUsd, tokens } = cost;
  if (commands === 0 && tokens === null) return 'no commands of the database';
  const used = [
    ...(commands === null ? [] : [`${counted(commands, 'command')} of the database`]),
    ...(tokens === null ? [] : [`about ${counted(tokens, 'token')} of the embedder`]),
  ];
  return [...used, estimatedUsd === null ? 'price not known' : `at most ${dollars(estimatedUsd)}`].join(', ');
}

/** How long ago, for reading at a glance: `just now`, `5 min ago`, `3 h 12 min ago`, `25 h ago`, `3 d ago`. */
export function ago(ms: number): string {
  if (ms < 5 * SECOND) return 'just now';
  if (ms < MINUTE) return `${Math.floor(ms / SECOND)} s ago`;
  if (ms < HOUR) return `${Math.floor(ms / MINUTE)} min ago`;
  if (ms < 6 * HOUR) return `${duration(ms)} ago`;
  return ms < 2 * DAY ? `${Math.floor(ms / HOUR)} h ago` : `${Math.floor(ms / DAY)} d ago`;
}

/** An instant in UTC, as logs and ids have it, or by the clock of whoever looks. What is no instant is shown as it is. */
export function instant(text: string, zone: Zone = 'utc'): string {
  const time = new Date(text);
  if (Number.isNaN(time.getTime())) return text;
  return zone === 'utc'
    ? `${time.toISOString().slice(0, 16).replace('T', ' ')} UTC`
    : local(time, { ...DAY_FIELDS, ...CLOCK, ...NAMED });
}

/** The same of milliseconds since 1970; Redis takes times that no calendar has a date for. */
export function moment(ms: number | string, zone: Zone): string {
  const time = new Date(Number(ms));
  return Number.isNaN(time.getTime()) ? 'after the year 275,000' : instant(time.toISOString(), zone);
}

/** The time of day alone. */
export function clockOf(time: number, zone: Zone): string {
  const date = new Date(time);
  return zone === 'utc' ? `${date.toISOString().slice(11, 16)} UTC` : local(date, { ...CLOCK, ...NAMED });
}

/** The day alone, `2026-11-22`. What is no instant is shown as it is. */
export function day(text: string, zone: Zone): string {
  const time = new Date(text);
  if (Number.isNaN(time.getTime())) return text;
  return zone === 'utc' ? time.toISOString().slice(0, 10) : local(time, DAY_FIELDS);
}

/** The time of day to the second, for events that follow each other; after the day where that is not the day of `now`. */
export function eventTime(text: string, zone: Zone, now: number): string {
  const time = new Date(text);
  if (Number.isNaN(time.getTime())) return text;
  const clock = zone === 'utc' ? time.toISOString().slice(11, 19) : local(time, { ...CLOCK, second: '2-digit' });
  const date = day(text, zone);
  return date === day(new Date(now).toISOString(), zone) ? clock : `${date} ${clock}`;
}

const CLOCK = { hour: '2-digit', minute: '2-digit', hour12: false } as const;
const NAMED = { timeZoneName: 'short' } as const;
const DAY_FIELDS = { year: 'numeric', month: '2-digit', day: '2-digit' } as const;

function local(time: Date, fields: Intl.DateTimeFormatOptions): string {
  return new Intl.DateTimeFormat('sv-SE', fields).format(time);
}

/** A share in percent that never rounds up to all of it, nor down to none. */
export function percent(part: number, whole: number): string {
  if (whole <= 0) return part > 0 ? '100%' : '0%';
  const share = (part / whole) * 100;
  if (share >= 100) return '100%';
  if (share > 99) return '99%';
  return share > 0 && share < 1 ? '1%' : `${Math.round(share)}%`;
}

/** A list in a sentence: `a, b and 3 more`. */
export function listed(names: readonly string[], most = 3): string {
  const more = names.length > most ? ` and ${count(names.length - most)} more` : '';
  return names.slice(0, most).join(', ') + more;
}

/** How far a run is: `1,200 of 4,000 keys, 5.0 MiB`. */
export function progressWords(progress: { done: number; total: number | null; unit: string; bytes: number }): string {
  const { done, total, unit, bytes: read } = progress;
  const units = total === null ? `${count(done)} ${unit}` : `${count(done)} of ${count(total)} ${unit}`;
  return read === 0 ? units : `${units}, ${bytes(read)}`;
}
