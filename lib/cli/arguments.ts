import { InvalidArgumentError } from 'commander';
import { isId, isCalendarDate, stampOf } from '../runs/ids.js';

const MAX_PROJECT_LENGTH = 512;

/** An empty one, as of a shell variable that is not set, must not come to mean everything. */
export function projectId(text: string): string {
  if (text.trim() !== '' && text.length <= MAX_PROJECT_LENGTH) return text;
  throw new InvalidArgumentError('It takes the whole id of a project.');
}

/** Of an option that may be given more than once: all that it was given, each as `parse` has it. */
export function several(parse: (text: string) => string = (text) => text) {
  return (text: string, before: readonly string[] | undefined): readonly string[] => [...(before ?? []), parse(text)];
}

/** A number of digits alone. */
export function wholeNumber(text: string): number {
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('It takes a whole number.');
}

const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)$/;

/** What runs are listed before: the id of one, or a time, as the beginning of an id. */
export function beforeRun(text: string): string {
  if (isId(text)) return text;
  if (isTime(text)) return stampOf(Date.parse(text));
  throw new InvalidArgumentError('It takes the id of a run, or a time with its offset or Z.');
}

/** A time with its offset. */
export function time(text: string): string {
  if (isTime(text)) return text;
  throw new InvalidArgumentError('It takes a time with its offset or Z, such as 2026-11-22T02:00:00Z.');
}

function isTime(text: string): boolean {
  return TIME.test(text) && !Number.isNaN(Date.parse(text)) && isCalendarDate(text);
}
