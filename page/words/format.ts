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

/** An instant in UTC, as logs and ids have it: `2026-11-22 02:00 UTC`. What is no instant is shown as it is. */
export function instant(text: string): string {
  const time = new Date(text);
  return Number.isNaN(time.getTime()) ? text : `${time.toISOString().slice(0, 16).replace('T', ' ')} UTC`;
}

/** A share in percent that never rounds up to all of it, nor down to none. */
export function percent(part: number, whole: number): string {
  if (whole <= 0) return part > 0 ? '100%' : '0%';
  const share = (part / whole) * 100;
  if (share >= 100) return '100%';
  if (share > 99) return '99%';
  return share > 0 && share < 1 ? '1%' : `${Math.round(share)}%`;
}

/** How far a run is: `1,200 of 4,000 keys, 5.0 MiB`. */
export function progressWords(progress: { done: number; total: number | null; unit: string; bytes: number }): string {
  const { done, total, unit, bytes: read } = progress;
  const units = total === null ? `${count(done)} ${unit}` : `${count(done)} of ${count(total)} ${unit}`;
  return read === 0 ? units : `${units}, ${bytes(read)}`;
}
