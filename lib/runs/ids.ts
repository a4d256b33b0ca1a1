import { randomInt } from 'node:crypto';

const LETTERS = '0123456789abcdefghjkmnpqrstvwxyz';
const SUFFIX_LENGTH = 6;
const PATTERN = /^\d{8}T\d{6}Z-[0-9a-hjkmnp-tv-z]{6}$/;

/** An id that sorts by time and reads well: `20261122T020000Z-x7k2m9`. The suffix has 30 random bits. */
export function newId(now: number): string {
  const stamp = new Date(now).toISOString().replace(/[-:]|\.\d+/g, '');
  const suffix = Array.from({ length: SUFFIX_LENGTH }, () => LETTERS[randomInt(LETTERS.length)]).join('');
  return `${stamp}-${suffix}`;
}

export function isId(text: string): boolean {
  return PATTERN.test(text);
}

/** The time in an id, in milliseconds since the epoch; NaN for what is no id. */
export function timeOfId(id: string): number {
  const match = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z-/.exec(id);
  if (match === null) return Number.NaN;
  const [, year, month, day, hour, minute, second] = match;
  return Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`);
}
