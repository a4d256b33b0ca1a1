import type { Clock } from '../ports/clock.js';
import type { RedisPort } from '../ports/redis.js';
import { runOne } from '../redis/run-one.js';

/** How long a measurement is valid: clocks drift slowly and rarely jump. */
const VALID_MS = 60_000;
const measured = new WeakMap<RedisPort, { readonly at: number; readonly aheadMs: number }>();

/**
 * How far the target's clock is ahead of ours, in milliseconds. The target alone decides what has expired: a key that
 * is expired by our clock may be alive there. 0 when the target does not report its time. Costs a command a minute.
 */
export async function clockAheadOf(redis: RedisPort, clock: Pick<Clock, 'now'>): Promise<number> {
  const now = clock.now();
  const known = measured.get(redis);
  if (known !== undefined && Math.abs(now - known.at) < VALID_MS) return known.aheadMs;
  let sent = now;
  const time = await runOne(redis, (sdk) => {
    sent = clock.now();
    return sdk.time();
  });
  // The target's time is taken as of the middle of the request.
  const aheadMs = Math.round(aheadAt('value' in time ? time.value : null, (sent + clock.now()) / 2));
  measured.set(redis, { at: now, aheadMs });
  return aheadMs;
}

function aheadAt(value: unknown, here: number): number {
  const [seconds, micros] = Array.isArray(value) ? value.map(Number) : [];
  const at = (seconds ?? Number.NaN) * 1000 + Math.floor((micros ?? Number.NaN) / 1000);
  return Number.isFinite(at) ? at - here : 0;
}
