import { toAppError } from '../errors.js';
import type { RedisPort } from '../ports/redis.js';
import type { Leg, StepOutcome } from '../runs/model.js';
import { classifyKey, type ClassifiedKey } from '../soulcaster/keys.js';
import { scanPages } from '../snapshot/scan/pages.js';
import type { RestoreCheckpoint } from './checkpoint.js';

/** A key of the target as SCAN names it. */
export interface LiveKey {
  readonly key: Buffer;
  readonly known: ClassifiedKey;
  /** Whether it is of a type that a snapshot can hold. */
  readonly supported: boolean;
}

/** With the factor that one SCAN asks for, about 1,000 keys a reply. */
const PAGE = 250;

export interface Walked {
  /** Where to go on; null when all keys have been seen. */
  readonly cursor: string | null;
  readonly walked: number;
}

/**
 * Shows every key of the target, page by page, from the checkpoint's cursor until the end or until time is up. A key may
 * be shown twice.
 */
export async function walk(
  redis: RedisPort,
  leg: Leg,
  state: RestoreCheckpoint,
  see: (keys: readonly LiveKey[]) => Promise<void>,
): Promise<Walked> {
  let { walked } = state;
  for await (const page of scanPages(redis, state.cursor ?? '0', () => PAGE)) {
    if (leg.signal.aborted) throw toAppError(leg.signal.reason);
    const supported = page.keys.map(({ key }) => liveKey(key, true));
    await see([...supported, ...page.unsupported.map(({ key }) => liveKey(key, false))]);
    walked += supported.length;
    if (page.mayStop && page.next !== null && leg.timeIsUp()) return { cursor: page.next, walked };
  }
  return { cursor: null, walked };
}

/** Hands a walk that is not at its end on to the next leg. */
export function goOnLater(state: RestoreCheckpoint, { cursor, walked }: Walked): StepOutcome {
  const progress = { done: walked, total: null, unit: 'keys', bytes: 0 } as const;
  return { to: 'later', checkpoint: { ...state, cursor, walked }, progress };
}

function liveKey(key: Buffer, supported: boolean): LiveKey {
  return { key, known: classifyKey(key.toString('utf8')), supported };
}
