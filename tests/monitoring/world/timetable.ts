import { readFileSync } from 'node:fs';

export const HOUR = 3_600_000;
export const DAY = 24 * HOUR;

export type Path = '/api/cron/backup' | '/api/cron/guard' | '/api/schedules/guard';
const CRONS: ReadonlySet<string> = new Set<Path>(['/api/cron/backup', '/api/cron/guard']);

/** Something that is due: a call of a function or, where `path` is null, the end of an hour. */
export interface Due {
  readonly at: number;
  readonly path: Path | null;
}

export interface Timetable {
  /** How late a cron comes on a day that begins at `day`, in milliseconds; on Hobby within its hour. */
  readonly delay: (path: Path, day: number) => number;
  /** The minute of each hour at which the queue's schedule calls; null while there is none. */
  readonly scheduled: () => number | null;
}

/** What is due up to `until`, in order: after `from`, to which half a millisecond is added once an hour was looked at. */
export function dueBetween(crons: readonly Daily[], table: Timetable, from: number, until: number): Due[] {
  const due: Due[] = [];
  const days = range(Math.floor(from / DAY) * DAY, until, DAY);
  for (const day of days) {
    for (const { hourOfDay, path } of crons) due.push({ at: day + hourOfDay * HOUR + table.delay(path, day), path });
  }
  const minute = table.scheduled();
  for (const hour of range(Math.floor(from / HOUR) * HOUR, until, HOUR)) {
    if (minute !== null) due.push({ at: hour + minute * 60_000, path: '/api/schedules/guard' });
    due.push({ at: hour, path: null });
  }
  // What is called on the hour comes before its end is looked at.
  const order = ({ at, path }: Due): number => at + (path === null ? 0.5 : 0);
  return due.filter((each) => order(each) > from && each.at <= until).sort((a, b) => order(a) - order(b));
}

function range(from: number, until: number, step: number): number[] {
  return Array.from({ length: Math.max(0, Math.floor((until - from) / step) + 1) }, (_, index) => from + index * step);
}

export interface Daily {
  readonly path: Path;
  readonly hourOfDay: number;
}

/** The crons of vercel.json, which fire once a day on the hour. */
export function cronsOf(file: string): Daily[] {
  const { crons } = JSON.parse(readFileSync(file, 'utf8')) as { crons: { path: Path; schedule: string }[] };
  return crons.map(({ path, schedule }) => {
    const hour = /^0 (\d+) \* \* \*$/.exec(schedule)?.[1];
    if (hour === undefined || !CRONS.has(path)) throw new Error(`a cron that is not known here: ${path} ${schedule}`);
    return { path, hourOfDay: Number(hour) };
  });
}
