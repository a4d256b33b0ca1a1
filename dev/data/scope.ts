import type { Random } from './random.js';
import type { Writer } from './wording.js';
import type { CollectionWriter } from './write.js';

/** State that the generators of one project's data share. */
export interface Scope {
  readonly random: Random;
  readonly writer: Writer;
  readonly project: string;
  readonly user: string;
  /** Milliseconds since the epoch: all data was created before this time, and expires after it. */
  readonly now: number;
  /** The project's repositories, as `owner/name`. */
  readonly repos: readonly string[];
  /** `feedback:created:{project}`. */
  readonly created: CollectionWriter;
  /** `feedback:unclustered:{project}`. */
  readonly unclustered: CollectionWriter;
  /** `clusters:{project}:all`. */
  readonly clusters: CollectionWriter;
  /** `feedback:source:{project}:{source}`. */
  bySource(source: string): CollectionWriter;
  /** The next serial number of the project, from 1. */
  serial(): number;
}

/** A time as the application stores it: ISO 8601 with offset, and as a score in epoch seconds with a fraction. */
export interface Stamp {
  readonly ms: number;
  readonly iso: string;
  readonly score: string;
}

export const MINUTE = 60_000;
export const DAY = 24 * 60 * MINUTE;

/** A time in microseconds, as Python's clock returns, before `now` and at most `age` milliseconds old. */
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
