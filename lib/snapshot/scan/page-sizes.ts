import type { RecordType } from '../record.js';

const MIN_PAGE = 4;
const MAX_PAGE = 1000;
/**
 * A read has about this many commands at most, since it passes the bound of commands a second as a whole: half of a database's
 * limit, one read and what the application sends have room beside each other.
 */
const MAX_COMMANDS = 600;
/** A mean is that of about this many of the last keys. */
const REMEMBERED = 500;
/** What is assumed before the first key counts as much as this many keys. */
const ASSUMED = 10;
/** Base64 and JSON around a value on the wire. */
const WIRE_FACTOR = 1.4;

/**
 * How many keys a read may have, by what the last keys took on the wire. Strings are told apart from what is no string:
 * those of a page share a command, so that pages have as many strings together as fit.
 */
export interface PageSizes {
  /** Mean bytes a key, of whatever type. */
  readonly bytesPerKey: number;
  /** Keys that a page of any types holds. */
  readonly pageSize: () => number;
  /** Which share of a page a key of the type takes. */
  readonly shareOf: (type: RecordType) => number;
  /** Notes the bytes of a line that was written. */
  note(type: RecordType, lineBytes: number): void;
  /** Notes the bytes of a value as it came. */
  noteWire(type: RecordType, bytes: number): void;
}

/** `bytesPerKey`: what is assumed at first. */
export function pageSizes(pageBytes: number, bytesPerKey: number): PageSizes {
  // The keys of a reply come sorted by type: the mean of all must not follow the last few of them.
  const all = mean(bytesPerKey, 4 * REMEMBERED);
  const strings = mean(bytesPerKey, REMEMBERED);
  const others = mean(bytesPerKey, REMEMBERED);
  const fitting = (bytes: number, most: number): number =>
    Math.min(most, Math.max(MIN_PAGE, pageBytes / Math.max(bytes, 1)));
  const noteWire = (type: RecordType, bytes: number): void => {
    all.add(bytes);
    (type === 'string' ? strings : others).add(bytes);
  };
  return {
    get bytesPerKey() {
      return all.value;
    },
    pageSize: () => Math.floor(fitting(all.value, MAX_PAGE)),
    // Strings share an MGET, so that each takes the command for its expiry alone.
    shareOf: (type) =>
      1 / (type === 'string' ? fitting(strings.value, MAX_COMMANDS) : fitting(others.value, MAX_COMMANDS / 2)),
    note: (type, lineBytes) => noteWire(type, lineBytes * WIRE_FACTOR),
    noteWire,
  };
}

function mean(assumed: number, remembered: number): { readonly value: number; add(next: number): void } {
  let value = assumed;
  let count = ASSUMED;
  return {
    get value() {
      return value;
    },
    add(next) {
      count = Math.min(remembered, count + 1);
      value += (next - value) / count;
    },
  };
}
