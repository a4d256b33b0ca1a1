import type { RedisPort } from '../ports/redis.js';
import { isDue } from '../snapshot/record.js';
import type { Comparison } from './compare/index.js';
import type { RestoreContext } from './context.js';
import { sizeOf } from './open.js';

const DAY_MS = 86_400_000;

/** Keys that the proof found in the target and that cannot have expired since. A type: it is stored as JSON. */
export type Lasting = {
  /** Keys without an expiry. */
  readonly ever: number;
  /** Keys that expire more than a day after `from`. */
  readonly day: number;
  /** When the keys were proven, in milliseconds since the epoch. */
  readonly from: number;
};

/** Fewer keys in the database at the end than were proven: some were lost since. */
export type Gone = { readonly proven: number; readonly there: number };

/** Counts the keys that are there to stay. */
export function lastingCounter({ expiry: { now, rule }, manifest }: Pick<RestoreContext, 'expiry' | 'manifest'>): {
  readonly add: (compared: Comparison) => void;
  readonly total: () => Lasting;
} {
  let [ever, day] = [0, 0];
  const knowsFields = rule === 'drop' || manifest.fieldExpiry === 'none';
  return {
    add({ record: { first, rest }, live, difference, unsavable }) {
      // If only the value differs, the key exists, with the expiry of the record.
      const isThere = live === 'equal' || (difference === 'value' && !unsavable);
      const mayEmpty = first.t === 'hash' && !knowsFields && (rest !== null || first.fx !== undefined);
      const isEmpty = rest === null && Array.isArray(first.v) && first.v.length === 0 && first.t !== 'stream';
      if (!isThere || mayEmpty || isEmpty) return;
      if (first.x === undefined) ever += 1;
      else if (!isDue(first.x, now + DAY_MS)) day += 1;
    },
    total: () => ({ ever, day, from: now }),
  };
}

/** Adds up the counts of the proof's tasks; absent in results of older versions. */
export function addLasting(a: Lasting | undefined, b: Lasting | undefined): Lasting {
  const [one, two] = [a ?? NONE, b ?? NONE];
  return { ever: one.ever + two.ever, day: one.day + two.day, from: Math.min(one.from, two.from) };
}

const NONE: Lasting = { ever: 0, day: 0, from: Number.MAX_SAFE_INTEGER };

/** Compares the size of the database with the proven keys: it may have been emptied since, or another server answers. */
export async function findGone(redis: RedisPort, { day, ever, from }: Lasting, now: number): Promise<Gone | null> {
  const proven = ever + (now - from < DAY_MS ? day : 0);
  const there = await sizeOf(redis);
  return there < proven ? { proven, there } : null;
}
