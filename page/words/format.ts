import type { RunCost } from '../api/types.js';

/** In which zone instants are told. */
export type Zone = 'utc' | 'local';

const KIB = 1024;
const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB'] as const;
const [SECOND, MINUTE, HOUR, DAY] = [1000, 60_000, 3_600_000, 86_400_000];

/** 1234567 as `1,234,567`. */
export function count(value: number): string {
  return value.toLocaleString('en-US');
}

/** What is shown of a figure that is not known. */
export const UNKNOWN = '–';

/** A figure in the words for it, or that it is not known. */
export function known(value: number | null, words: (value: number) => string = count): string {
  return value === null ? UNKNOWN : words(value);
}

/** A price in US dollars, with as many places as a small one needs. */
export function dollars(usd: number): string {
  return `$${usd > 0 && usd < 1 ? usd.toFixed(4) : usd.toFixed(2)}`;
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

/** A number with its noun: `1 key`, `2 keys`. */
export function counted(value: number, noun: string): string {
  return `${count(value)} ${noun}${value === 1 ? '' : 's'}`;
}

/** 1536 as `1.5 KiB`. */
export function bytes(value: number): string {
  let unit = 0;
  let size = value;
  // What would be written as 1024.0 is one of the next unit.
  while (size >= KIB - 0.05 && unit < UNITS.length - 1) {
    size /= KIB;
    unit += 1;
  }
  return `${unit === 0 ? String(Math.round(size)) : size.toFixed(1)} ${UNITS[unit] ?? ''}`;
}

/** 93,000 ms as `1 min 33 s`; two units at most, rounded down. */
export function duration(ms: number): string {
  const time = Math.max(0, ms);
  if (time < 10 * SECOND) return `${(Math.floor(time / 100) / 10).toFixed(1)} s`;
  if (time < MINUTE) return `${Math.floor(time / SECOND)} s`;
  if (time < HOUR) return `${Math.floor(time / MINUTE)} min ${Math.floor((time % MINUTE) / SECOND)} s`;
  if (time < 2 * DAY) return `${Math.floor(time / HOUR)} h ${Math.floor((time % HOUR) / MINUTE)} min`;
  return `${Math.floor(time / DAY)} d ${Math.floor((time % DAY) / HOUR)} h`;
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
    : local(time, { dateStyle: 'medium' });
}

/** The same of milliseconds since 1970; Redis takes times that no calendar has a date for. */
export function moment(ms: number | string, zone: Zone): string {
  const time = new Date(Number(ms));
  return Number.isNaN(time.getTime()) ? 'after the year 275,000' : instant(time.toISOString(), zone);
}

/** The time of day alone. */
export function clockOf(time: number, zone: Zone): string {
  const date = new Date(time);
  return zone === 'utc' ? `${date.toISOString().slice(11, 16)} UTC` : local(date, {});
}

function local(time: Date, { dateStyle }: { readonly dateStyle?: 'medium' }): string {
  const clock = { hour: '2-digit', minute: '2-digit', hour12: false, timeZoneName: 'short' } as const;
  const day = dateStyle === undefined ? {} : ({ year: 'numeric', month: '2-digit', day: '2-digit' } as const);
  return new Intl.DateTimeFormat('sv-SE', { ...day, ...clock }).format(time);
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
