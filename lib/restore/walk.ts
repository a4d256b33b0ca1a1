import { toAppError } from '../errors.js';
import type { RedisPort } from '../ports/redis.js';
import { beginWalk, nameCounter, NEW_WALK, walkAgain, type WalkState } from '../redis/scan.js';
import type { Attempt, StepOutcome } from '../runs/model.js';
import { classifyKey, type ClassifiedKey } from '../soulcaster/keys.js';
import { scanNames } from '../snapshot/scan/pages.js';
import type { RestoreCheckpoint } from './checkpoint.js';

/** A key of the target as SCAN returns it. */
export interface LiveKey {
  readonly key: Buffer;
  readonly known: ClassifiedKey;
  /** Whether its type is one that a snapshot can hold. */
  readonly supported: boolean;
}

interface Walked {
  /** Where to continue; null when all keys have been visited. */
  readonly cursor: string | null;
  readonly walked: number;
  readonly walk: WalkState;
}

/** The visitor of a walk: a function, or an object that is also notified when the walk starts over. */
export interface KeyVisitor {
  readonly visit: (keys: readonly LiveKey[]) => Promise<void>;
  /** Discards what was collected: the walk starts over, since the server was restarted during it. */
  readonly restart: () => Promise<void>;
}

/**
 * Visits every key of the target, page by page, from the checkpoint's cursor until the end or until time is up. A key
 * may be visited twice, and all of them again when the walk may have missed some.
 */
export async function walk(
  redis: RedisPort,
  attempt: Attempt,
  state: RestoreCheckpoint,
  visitor: KeyVisitor | KeyVisitor['visit'],
): Promise<Walked> {
  const { visit, restart }: KeyVisitor =
    typeof visitor === 'function' ? { visit: visitor, restart: () => Promise.resolve() } : visitor;
  let { walked } = state;
  let cursor = state.cursor ?? '0';
  let progress = await beginWalk(redis, state.walk);
  let count = nameCounter(progress);
  for (;;) {
    for await (const page of scanNames(redis, cursor)) {
      if (attempt.signal.aborted) throw toAppError(attempt.signal.reason);
      const supported = page.keys.map(({ key }) => liveKey(key, true));
      const live = [...supported, ...page.unsupported.map(({ key }) => liveKey(key, false))];
      await visit(live);
      walked += count(live.map(({ key }) => key));
      if (page.next !== null && attempt.timeIsUp()) return { cursor: page.next, walked, walk: progress };
    }
    const next = await walkAgain(redis, progress, walked);
    if (next === null) return { cursor: null, walked, walk: NEW_WALK };
    await restart();
    [progress, cursor, walked, count] = [next, '0', 0, nameCounter(next)];
    // A repeated walk makes no progress, so an attempt that started one must not be the run's last.
    if (attempt.timeIsUp()) return { cursor, walked, walk: progress };
  }
}

/** Hands an unfinished walk to the next attempt. */
export function continueLater(state: RestoreCheckpoint, walked: Walked): StepOutcome {
  const progress = { done: walked.walked, total: null, unit: 'keys', bytes: 0 } as const;
  return { to: 'later', checkpoint: { ...state, ...walked }, progress };
}

function liveKey(key: Buffer, supported: boolean): LiveKey {
  return { key, known: classifyKey(key.toString('utf8')), supported };
}
