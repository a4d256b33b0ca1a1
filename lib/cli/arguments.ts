import { InvalidArgumentError } from 'commander';
import { isId, isCalendarDate, stampOf } from '../runs/ids.js';

const MAX_PROJECT_LENGTH = 512;

/** Refuses an empty id, such as an unset shell variable: it must not select everything. */
export function parseProjectId(text: string): string {
  if (text.trim() !== '' && text.length <= MAX_PROJECT_LENGTH) return text;
  throw new InvalidArgumentError('Give the whole id of a project.');
}

/** Collects the values of an option that may be repeated, each parsed with `parse`. */
export function collectValues(parse: (text: string) => string = (text) => text) {
  return (text: string, before: readonly string[] | undefined): readonly string[] => [...(before ?? []), parse(text)];
}

export function parseWholeNumber(text: string): number {
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('Give a whole number.');
}

const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)$/;

/** The id of a run, or a time, which is converted to the beginning of an id. */
export function parseRunOrTime(text: string): string {
  if (isId(text)) return text;
  if (isTime(text)) return stampOf(Date.parse(text));
  throw new InvalidArgumentError('Give the id of a run, or a time with an offset or Z.');
}

/** A time with an offset. */
export function parseTime(text: string): string {
  if (isTime(text)) return text;
  throw new InvalidArgumentError('Give a time with an offset or Z, such as 2026-11-22T02:00:00Z.');
}

function isTime(text: string): boolean {
  return TIME.test(text) && !Number.isNaN(Date.parse(text)) && isCalendarDate(text);
}
