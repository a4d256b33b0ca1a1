import { isSameServer, type ServerMark } from '../../redis/scan.js';
import { SAMPLE } from '../summary.js';

/** Figures of one finished walk over the names. */
interface WalkFigures {
  readonly before: ServerMark;
  readonly after: ServerMark;
  /** Distinct names. */
  readonly seen: number;
  /** Of these, keys that had not been saved and were read now. */
  readonly found: number;
  /** Whether no pass over the names came before: then the keys that were found are not new, and show no churn. */
  readonly isFirstPass: boolean;
  /**
   * Keys that are not to be saved and may expire, which the server counts as keys with an expiry: all that were seen or, where
   * their expiry was read, those that have one.
   */
  readonly leftOut: number;
  /** Saved keys that the walk did not see: deleted, expired, or missed. */
  readonly unseen: number;
  /** Keys that the previous walk missed and this one saw. */
  readonly returned: number;
  /** Records of the snapshot that were written with an expiry. */
  readonly expiring: number;
  /** Finished walks including this one, and how many of them a change of the server invalidated. */
  readonly walks: number;
  readonly broken: number;
}

interface Evaluation {
  readonly again: boolean;
  /** Keys in DBSIZE that neither the walk nor keys that were added or removed meanwhile explain. */
  readonly unexplained: number;
  readonly whole: boolean | null;
}

/** The most walks without a change of the server, and the most walks in all. */
const MAX_WALKS = 5;
const MAX_IN_ALL = 12;
/** Another walk is made if more than this share of the keys is new. */
const NEGLIGIBLE_SHARE = 0.01;

/**
 * Evaluates whether all keys were seen. SCAN returns every key that exists from its start to its end if the server stays the
 * same. Where INFO gives a `run_id`, that decides. Elsewhere a walk is accepted when its result is consistent with the
 * previous walk. In every case the number of names is compared with DBSIZE.
 */
export function evaluateWalk(figures: WalkFigures): Evaluation {
  const { before, after, walks, broken, found, returned, unseen, seen } = figures;
  const whole = isSameServer(before, after);
  const unexplained = whole === false ? unexplainedAfterRestart(figures) : unexplainedKeys(figures, whole === true);
  if (walks >= MAX_IN_ALL || (whole !== false && walks - broken >= MAX_WALKS)) {
    return { again: false, unexplained, whole };
  }
  if (whole === false || unexplained > 0) return { again: true, unexplained, whole };
  if (whole === true) return { again: found > seen * NEGLIGIBLE_SHARE, unexplained, whole };
  // Only a second walk shows whether unseen saved keys are gone, or this walk was incomplete.
  const unsure = unseen > 0 && walks === 1;
  return { again: found > 0 || returned > 0 || unsure, unexplained, whole };
}

function unexplainedKeys(figures: WalkFigures, proven: boolean): number {
  const { after, before, expiring, found, isFirstPass, leftOut, returned, seen, unseen } = figures;
  // Under a steady writer about as many keys return as disappear; after an incomplete walk, keys only return.
  const trusted = proven || returned <= Math.max(found, unseen, seen * NEGLIGIBLE_SHARE);
  const expired = trusted ? expiredKeys(before, after, expiring + leftOut) : 0;
  const explained = (isFirstPass ? 0 : found) + unseen + expired;
  return Math.max(0, Math.min(before.keys, after.keys) - seen - explained);
}

/** Expired keys: those that expired during the walk, and those that DBSIZE still counts beyond the saved ones. */
function expiredKeys(before: ServerMark, after: ServerMark, expiring: number): number {
  const meanwhile = Math.max(0, (after.expired ?? 0) - (before.expired ?? 0));
  return meanwhile + Math.max(0, (after.expires ?? 0) - expiring);
}

/** After a change of the server, removed keys cannot be distinguished from missed ones unless the count matches exactly. */
function unexplainedAfterRestart({ after, before, seen, unseen }: WalkFigures): number {
  const size = Math.min(before.keys, after.keys);
  const known = seen + unseen;
  return known > size ? Math.max(0, size - seen) : size - known;
}

/**
 * How many of the first `SAMPLE` keys were gone at the end of a walk, if these are half of them or more, not counting as many
 * as had an expiry; else 0. SCAN returns keys in the order of their hashes, so the first ones are a random sample of the keys
 * at the start of the snapshot, which does not depend on keys that were added later.
 */
export function countGoneFirst(first: ServerMark | null, after: ServerMark, gone: number): number {
  if (first === null || first.keys === 0) return 0;
  const leaving = first.expires ?? Math.max(0, (after.expired ?? 0) - (first.expired ?? 0));
  const mayLeave = Math.min(SAMPLE, Math.ceil((SAMPLE * leaving) / first.keys));
  const lasting = SAMPLE - mayLeave;
  return lasting > 0 && (gone - mayLeave) * 2 >= lasting ? gone : 0;
}
