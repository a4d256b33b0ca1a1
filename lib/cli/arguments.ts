import { InvalidArgumentError } from 'commander';
import { isId, isCalendarDate, stampOf } from '../runs/ids.js';

export const REPLICA = [
  '--replica',
  'use the second store, BACKUP_REPLICA_STORE; all work is done in this process',
] as const;

export const LOCAL = [
  '--local',
  'do all work in this process, without the queue (the default without QSTASH_TOKEN)',
] as const;

/** Collects the values of an option that may be repeated, each parsed with `parse`. */
export function collectValues(parse: (text: string) => string = (text) => text) {
  return (text: string, before: readonly string[] | undefined): readonly string[] => [...(before ?? []), parse(text)];
}

/** Parses a whole number of a range; `refusal` says what to give instead. */
export function parseNumber(least: number, most: number, refusal: string) {
  return (text: string): number => {
    const number = /^\d{1,9}$/.test(text) ? Number(text) : -1;
    if (number >= least && number <= most) return number;
    throw new InvalidArgumentError(refusal);
  };
}

export const parseCount = parseNumber(1, 9_999_999, 'Give a whole number, 1 or more.');

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
