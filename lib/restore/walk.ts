import { toAppError } from '../errors.js';
import type { RedisPort } from '../ports/redis.js';
import { beginWalk, nameCounter, NEW_WALK, walkAgain, type WalkState } from '../redis/whole-walk.js';
import type { Attempt, StepOutcome } from '../runs/model.js';
import { classifyKey, type ClassifiedKey } from '../soulcaster/keys.js';
import { scanNames } from '../snapshot/scan/pages.js';
import type { RestoreCheckpoint } from './checkpoint.js';

/** A key of the target as SCAN names it. */
export interface LiveKey {
  readonly key: Buffer;
  readonly known: ClassifiedKey;
  /** Whether it is of a type that a snapshot can hold. */
  readonly supported: boolean;
}

interface Walked {
  /** Where to go on; null when all keys have been seen. */
  readonly cursor: string | null;
  readonly walked: number;
  readonly walk: WalkState;
}

/** What sees the keys of a walk: a function, or one that must know when all are shown once more. */
export interface Seer {
  readonly see: (keys: readonly LiveKey[]) => Promise<void>;
  /** Forgets what was seen: the walk is made again, since the server was started again under it. */
  readonly again: () => Promise<void>;
}

/**
 * Shows every key of the target, page by page, from the checkpoint's cursor until the end or until time is up. A key may
 * be shown twice, and all of them once more when the walk may have passed some over.
 */
export async function walk(
  redis: RedisPort,
  attempt: Attempt,
  state: RestoreCheckpoint,
  seer: Seer | Seer['see'],
): Promise<Walked> {
  const { see, again }: Seer = typeof seer === 'function' ? { see: seer, again: () => Promise.resolve() } : seer;
  let { walked } = state;
  let cursor = state.cursor ?? '0';
  let whole = await beginWalk(redis, state.walk);
  let count = nameCounter(whole);
  for (;;) {
    for await (const page of scanNames(redis, cursor)) {
      if (attempt.signal.aborted) throw toAppError(attempt.signal.reason);
      const supported = page.keys.map(({ key }) => liveKey(key, true));
      const live = [...supported, ...page.unsupported.map(({ key }) => liveKey(key, false))];
      await see(live);
      walked += count(live.map(({ key }) => key));
      if (page.next !== null && attempt.timeIsUp()) return { cursor: page.next, walked, walk: whole };
    }
    const next = await walkAgain(redis, whole, walked);
    if (next === null) return { cursor: null, walked, walk: NEW_WALK };
    await again();
    [whole, cursor, walked, count] = [next, '0', 0, nameCounter(next)];
    // As progress the repeat is none: the attempt that began it must not be the last that the run has.
    if (attempt.timeIsUp()) return { cursor, walked, walk: whole };
  }
}

/** Hands a walk that is not at its end on to the next attempt. */
export function goOnLater(state: RestoreCheckpoint, { cursor, walked, walk: whole }: Walked): StepOutcome {
  const progress = { done: walked, total: null, unit: 'keys', bytes: 0 } as const;
  return { to: 'later', checkpoint: { ...state, cursor, walked, walk: whole }, progress };
}

function liveKey(key: Buffer, supported: boolean): LiveKey {
  return { key, known: classifyKey(key.toString('utf8')), supported };
}
