import type { Clock } from '../ports/clock.js';
import type { RedisPort } from '../ports/redis.js';
import { runOne } from '../redis/run-one.js';

/** What was measured stays so for so long: clocks drift slowly, and jump seldom. */
const VALID_MS = 60_000;
const measured = new WeakMap<RedisPort, { readonly at: number; readonly aheadMs: number }>();

/**
 * How far ahead of our clock the target's is, in milliseconds. Expiry goes by the target's alone: what is over by a clock of ours
 * that is wrong is alive there. 0 where the target does not tell its time. Costs a command a minute.
 */
export async function aheadOf(redis: RedisPort, clock: Pick<Clock, 'now'>): Promise<number> {
  const now = clock.now();
  const known = measured.get(redis);
  if (known !== undefined && Math.abs(now - known.at) < VALID_MS) return known.aheadMs;
  let sent = now;
  const time = await runOne(redis, (sdk) => {
    sent = clock.now();
    return sdk.time();
  });
  // In the middle of the request.
  const aheadMs = Math.round(timeIn('value' in time ? time.value : null, (sent + clock.now()) / 2));
  measured.set(redis, { at: now, aheadMs });
  return aheadMs;
}

function timeIn(value: unknown, here: number): number {
  const [seconds, micros] = Array.isArray(value) ? value.map(Number) : [];
  const at = (seconds ?? Number.NaN) * 1000 + Math.floor((micros ?? Number.NaN) / 1000);
  return Number.isFinite(at) ? at - here : 0;
}
