import { bytes, count, counted, dollars, duration } from '../../lib/formats.js';
import type { RunCost } from '../api/types.js';

export { bytes, count, counted, dollars, duration };

/** The time zone of displayed instants. */
export type Zone = 'utc' | 'local';

const [SECOND, MINUTE, HOUR, DAY] = [1000, 60_000, 3_600_000, 86_400_000];

/** Shown for a figure that is not known. */
export const UNKNOWN = '–';

/** A formatted figure, or the sign for a figure that is not known. */
export function formatKnown(value: number | null, words: (value: number) => string = count): string {
  return value === null ? UNKNOWN : words(value);
}

/** The cost of a run: `31,342 commands, at most $0.0627`. Null is not known; 0 is none. */
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

/** An age: `just now`, `5 min ago`, `3 h 12 min ago`, `25 h ago`, `3 d ago`. */
export function formatAge(ms: number): string {
  if (ms < 5 * SECOND) return 'just now';
  if (ms < MINUTE) return `${Math.floor(ms / SECOND)} s ago`;
  if (ms < HOUR) return `${Math.floor(ms / MINUTE)} min ago`;
  if (ms < 6 * HOUR) return `${duration(ms)} ago`;
  return ms < 2 * DAY ? `${Math.floor(ms / HOUR)} h ago` : `${Math.floor(ms / DAY)} d ago`;
}

/** An instant in UTC, as in logs and ids, or in the browser's time zone. Text that is no instant is returned unchanged. */
export function formatInstant(text: string, zone: Zone = 'utc'): string {
  const time = new Date(text);
  if (Number.isNaN(time.getTime())) return text;
  return zone === 'utc'
    ? `${time.toISOString().slice(0, 16).replace('T', ' ')} UTC`
    : formatLocal(time, { ...DAY_FIELDS, ...CLOCK, ...NAMED });
}

/** The same for milliseconds since 1970; Redis accepts times beyond the range of dates. */
export function formatTimestamp(ms: number | string, zone: Zone): string {
  const time = new Date(Number(ms));
  return Number.isNaN(time.getTime()) ? 'after the year 275,000' : formatInstant(time.toISOString(), zone);
}

/** The time of day alone. */
export function formatClock(time: number, zone: Zone): string {
  const date = new Date(time);
  return zone === 'utc' ? `${date.toISOString().slice(11, 16)} UTC` : formatLocal(date, { ...CLOCK, ...NAMED });
}

/** The date alone, `2026-11-22`. Text that is no instant is returned unchanged. */
export function formatDay(text: string, zone: Zone): string {
  const time = new Date(text);
  if (Number.isNaN(time.getTime())) return text;
  return zone === 'utc' ? time.toISOString().slice(0, 10) : formatLocal(time, DAY_FIELDS);
}

/** The time of day to the second, for event lists; preceded by the date when that is not the date of `now`. */
export function formatEventTime(text: string, zone: Zone, now: number): string {
  const time = new Date(text);
  if (Number.isNaN(time.getTime())) return text;
  const clock = zone === 'utc' ? time.toISOString().slice(11, 19) : formatLocal(time, { ...CLOCK, second: '2-digit' });
  const date = formatDay(text, zone);
  return date === formatDay(new Date(now).toISOString(), zone) ? clock : `${date} ${clock}`;
}

const CLOCK = { hour: '2-digit', minute: '2-digit', hour12: false } as const;
const NAMED = { timeZoneName: 'short' } as const;
const DAY_FIELDS = { year: 'numeric', month: '2-digit', day: '2-digit' } as const;

function formatLocal(time: Date, fields: Intl.DateTimeFormatOptions): string {
  return new Intl.DateTimeFormat('sv-SE', fields).format(time);
}

/** A share in percent; never rounded up to 100% or down to 0%. */
export function formatPercent(part: number, whole: number): string {
  if (whole <= 0) return part > 0 ? '100%' : '0%';
  const share = (part / whole) * 100;
  if (share >= 100) return '100%';
  if (share > 99) return '99%';
  return share > 0 && share < 1 ? '1%' : `${Math.round(share)}%`;
}

/** The progress of a run: `1,200 of 4,000 keys, 5.0 MiB`. */
export function progressWords(progress: { done: number; total: number | null; unit: string; bytes: number }): string {
  const { done, total, unit, bytes: read } = progress;
  const units = total === null ? `${count(done)} ${unit}` : `${count(done)} of ${count(total)} ${unit}`;
  return read === 0 ? units : `${units}, ${bytes(read)}`;
}
