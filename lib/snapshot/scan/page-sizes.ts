import type { RecordType } from '../record.js';

const MIN_PAGE = 4;
const MAX_PAGE = 1000;
/**
 * The most commands of a read. Pacing admits a read as a whole: the pace (half of a database's limit), one read and the
 * application's commands must fit into the limit together.
 */
const MAX_COMMANDS = 600;
/** A mean covers about this many of the last keys. */
const WINDOW_KEYS = 500;
/** The initial assumption has the weight of this many keys. */
const INITIAL_WEIGHT = 10;
/** Base64 and JSON around a value on the wire. */
const WIRE_FACTOR = 1.4;

/**
 * The number of keys in a read, by the size of the last keys on the wire. Strings are measured separately from other types:
 * the strings of a read share a command, so that a read has as many strings as fit.
 */
export interface PageSizes {
  /** Mean bytes of a key of any type. */
  readonly bytesPerKey: number;
  /** Keys in a page of mixed types. */
  readonly pageSize: () => number;
  /** The share of a page that a key of the type takes. */
  readonly shareOf: (type: RecordType) => number;
  /** Adds the bytes of a line that was written. */
  note(type: RecordType, lineBytes: number): void;
  /** Adds the bytes of a value on the wire. */
  noteWire(type: RecordType, bytes: number): void;
}

/** `bytesPerKey`: the initial assumption. */
export function pageSizes(pageBytes: number, bytesPerKey: number): PageSizes {
  // The keys of a reply are sorted by type, so the mean of all covers more keys: it must not follow the last few.
  const all = runningMean(bytesPerKey, 4 * WINDOW_KEYS);
  const strings = runningMean(bytesPerKey, WINDOW_KEYS);
  const others = runningMean(bytesPerKey, WINDOW_KEYS);
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
    // Strings share an MGET, so each takes only the command for its expiry.
    shareOf: (type) =>
      1 / (type === 'string' ? fitting(strings.value, MAX_COMMANDS) : fitting(others.value, MAX_COMMANDS / 2)),
    note: (type, lineBytes) => noteWire(type, lineBytes * WIRE_FACTOR),
    noteWire,
  };
}

function runningMean(initial: number, windowKeys: number): { readonly value: number; add(next: number): void } {
  let value = initial;
  let count = INITIAL_WEIGHT;
  return {
    get value() {
      return value;
    },
    add(next) {
      count = Math.min(windowKeys, count + 1);
      value += (next - value) / count;
    },
  };
}
