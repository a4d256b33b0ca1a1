import { randomInt } from 'node:crypto';

const LETTERS = '0123456789abcdefghjkmnpqrstvwxyz';
/** 32 encodeLetters to the power of 2 hold the milliseconds of a second. */
const MILLISECOND_LETTERS = 2;
const RANDOM_LETTERS = 4;
const STAMP_LENGTH = '20261122T020000Z'.length;
const PATTERN = /^\d{8}T\d{6}Z-[0-9a-hjkmnp-tv-z]{6}$/;

/**
 * An id that sorts by time and reads well: `20261122T020000Z-x7k2m9`. The first two encodeLetters of the suffix are the
 * milliseconds, so that ids of one second sort as well; the other four are random.
 */
export function newId(now: number): string {
  const stamp = stampOf(now);
  const random = Array.from({ length: RANDOM_LETTERS }, () => LETTERS.charAt(randomInt(LETTERS.length)));
  return `${stamp}-${encodeLetters(now % 1000)}${random.join('')}`;
}

/** Whether a text is an id with an existing date. */
export function isId(text: string): boolean {
  if (!PATTERN.test(text)) return false;
  const time = timeOfId(text);
  // Date.parse rejects most dates that do not exist, and takes a few for a day of the next month.
  return !Number.isNaN(time) && stampOf(time) === text.slice(0, STAMP_LENGTH);
}

/** The time in an id, in milliseconds since the epoch; NaN if the text is no id. */
export function timeOfId(id: string): number {
  const match = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z-/.exec(id);
  if (match === null) return Number.NaN;
  const [, year, month, day, hour, minute, second] = match;
  return Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`);
}

/** False for 30 February and similar dates, which Date.parse takes for a day in March. */
export function isCalendarDate(time: string): boolean {
  const [, year, month, day] = /^(\d{4})-(\d{2})-(\d{2})/.exec(time)?.map(Number) ?? [];
  if (year === undefined || month === undefined || day === undefined) return true;
  const date = new Date(Date.UTC(year, month - 1, day));
  return date.getUTCMonth() === month - 1 && date.getUTCDate() === day;
}

/** The beginning of an id of this time, to the second. */
export function stampOf(time: number): string {
  return new Date(time).toISOString().replace(/[-:]|\.\d+/g, '');
}

function encodeLetters(value: number): string {
  const base = LETTERS.length;
  const digits = Array.from({ length: MILLISECOND_LETTERS }, (_, at) => Math.floor(value / base ** at) % base);
  return digits
    .reverse()
    .map((digit) => LETTERS.charAt(digit))
    .join('');
}
