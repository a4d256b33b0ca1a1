import type { Random } from './random.js';
import type { Writer } from './wording.js';
import type { Growing } from './write.js';

/** What all data of one project has in common while it is made. */
export interface Scope {
  readonly random: Random;
  readonly writer: Writer;
  readonly project: string;
  readonly user: string;
  /** Milliseconds since the epoch. Everything was made before it, and what expires does so after it. */
  readonly now: number;
  /** The project's repositories, as `owner/name`. */
  readonly repos: readonly string[];
  /** `feedback:created:{project}`. */
  readonly created: Growing;
  /** `feedback:unclustered:{project}`. */
  readonly unclustered: Growing;
  /** `clusters:{project}:all`. */
  readonly clusters: Growing;
  /** `feedback:source:{project}:{source}`. */
  bySource(source: string): Growing;
  /** The next number of a count from 1, unique within the project. */
  serial(): number;
}

/** A time as the application keeps it: ISO-8601 with offset, and as a score in epoch seconds with a fraction. */
export interface Stamp {
  readonly ms: number;
  readonly iso: string;
  readonly score: string;
}

export const MINUTE = 60_000;
export const DAY = 24 * 60 * MINUTE;

/** A time to the microsecond, as Python's clock has it, not later than `now` and at most `age` milliseconds old. */
export function stampWithin({ random, now }: Pick<Scope, 'random' | 'now'>, age: number): Stamp {
  const ms = now - 1 - random.whole(0, age - 1);
  const micros = String(random.whole(0, 999)).padStart(3, '0');
  const date = new Date(ms).toISOString();
  return {
    ms,
    iso: `${date.slice(0, -1)}${micros}+00:00`,
    score: `${Math.floor(ms / 1000)}.${date.slice(20, 23)}${micros}`,
  };
}
