import { isSameServer, type ServerMark } from '../../redis/server-mark.js';

/** Figures of one walk over the names that has come round. */
interface WalkFigures {
  readonly before: ServerMark;
  readonly after: ServerMark;
  /** Distinct names. */
  readonly seen: number;
  /** Of these, keys that had not been saved and were read now. */
  readonly found: number;
  /** Whether no pass over the names came before: then what was found had been there, and says nothing of keys that come and go. */
  readonly isFirstPass: boolean;
  /**
   * Keys which are not saved and may expire, so that they are no keys whose time was over: all that were seen, or where they were
   * asked those with an expiry.
   */
  readonly leftOut: number;
  /** Keys that were saved and that the walk did not see: deleted, expired, or missed. */
  readonly unseen: number;
  /** Keys that the walk before missed and this one saw. */
  readonly returned: number;
  /** Records of the snapshot that were written with an expiry. */
  readonly expiring: number;
  /** Walks that came round, this one included, and how many of them the server broke. */
  readonly walks: number;
  readonly broken: number;
}

interface Evaluation {
  readonly again: boolean;
  /** Keys that DBSIZE counts and that neither the walk nor what came and went explains. */
  readonly unexplained: number;
  readonly whole: boolean | null;
}

/** This many walks under one server, and this many in all. */
const MOST_WALKS = 5;
const MOST_IN_ALL = 12;
/** What came up between two walks, as a share of all, before it is worth another. */
const FEW = 0.01;

/**
 * Whether all keys were seen. SCAN names each key that is there from its beginning to its end, provided that the server
 * stays the same: where INFO tells it (`run_id`), that decides it. Elsewhere a walk is believed when nothing that it
 * brings contradicts the one before. In every case the number of names is held against DBSIZE.
 */
export function evaluateWalk(figures: WalkFigures): Evaluation {
  const { before, after, walks, broken, found, returned, unseen, seen } = figures;
  const whole = isSameServer(before, after);
  const unexplained = whole === false ? unaccounted(figures) : unexplainedKeys(figures, whole === true);
  if (walks >= MOST_IN_ALL || (whole !== false && walks - broken >= MOST_WALKS)) {
    return { again: false, unexplained, whole };
  }
  if (whole === false || unexplained > 0) return { again: true, unexplained, whole };
  if (whole === true) return { again: found > seen * FEW, unexplained, whole };
  // Whether saved keys that this walk missed are gone, or the walk was broken, only a second one can say.
  const unsure = unseen > 0 && walks === 1;
  return { again: found > 0 || returned > 0 || unsure, unexplained, whole };
}

function unexplainedKeys(figures: WalkFigures, proven: boolean): number {
  const { after, before, expiring, found, isFirstPass, leftOut, returned, seen, unseen } = figures;
  // As many keys return under a steady writer as go; a walk that was broken shows as keys that return alone.
  const trusted = proven || returned <= Math.max(found, unseen, seen * FEW);
  const expired = trusted ? expiredKeys(before, after, expiring + leftOut) : 0;
  const cameAndWent = (isFirstPass ? 0 : found) + unseen + expired;
  return Math.max(0, Math.min(before.keys, after.keys) - seen - cameAndWent);
}

/** Keys whose time was over: those that expired under the walk, and those that DBSIZE still counts beyond what was saved. */
function expiredKeys(before: ServerMark, after: ServerMark, expiring: number): number {
  const meanwhile = Math.max(0, (after.expired ?? 0) - (before.expired ?? 0));
  return meanwhile + Math.max(0, (after.expires ?? 0) - expiring);
}

/** A walk that was broken cannot tell what is gone from what it missed, unless the count comes out exactly. */
function unaccounted({ after, before, seen, unseen }: WalkFigures): number {
  const size = Math.min(before.keys, after.keys);
  const known = seen + unseen;
  return known > size ? Math.max(0, size - seen) : size - known;
}

/** How many of the keys that were read first are held against what is there at the end. */
export const SAMPLE = 100;

/**
 * How many of the first `SAMPLE` keys that were read were gone when a walk ended, given that these are half of them or
 * more beyond those that had an expiry; else 0. SCAN names keys in the order of their hashes, so that the first are a
 * fair choice of all that were there when the snapshot began, which what came later and went cannot blur.
 */
export function goneFirst(first: ServerMark | null, after: ServerMark, gone: number): number {
  if (first === null || first.keys === 0) return 0;
  const leaving = first.expires ?? Math.max(0, (after.expired ?? 0) - (first.expired ?? 0));
  const mayLeave = Math.min(SAMPLE, Math.ceil((SAMPLE * leaving) / first.keys));
  const lasting = SAMPLE - mayLeave;
  return lasting > 0 && (gone - mayLeave) * 2 >= lasting ? gone : 0;
}
