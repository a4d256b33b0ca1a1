import { isId } from '../runs/ids.js';
import type { Clock } from '../ports/clock.js';
import type { RedisPort } from '../ports/redis.js';
import { runOne } from '../redis/run-one.js';
import { AppError } from '../errors.js';

/** Prefix of this program's own keys; a client may use the same prefix. */
const OURS = 'soulcaster-backup:';
/** Prefix of the keys under which a restore stages values. */
const STAGED = `${OURS}restore:`;
/** Longer names are not ours. */
const LONGEST = 200;

/** Marks a database that drills may fill and wipe. */
export const SCRATCH_MARK = `${OURS}scratch`;

/** The prefix of a run's staged keys. */
export function stagingPrefix(run: string): string {
  return `${STAGED}${run}:`;
}

/** Whether a dead restore left the key, which expires. Keys with the prefix but without a run id are a client's. */
export function isStaged(key: Buffer): boolean {
  if (key.length > LONGEST || key[0] !== STAGED.charCodeAt(0)) return false;
  const name = key.toString('latin1');
  if (!name.startsWith(STAGED)) return false;
  const [run = '', ...more] = name.slice(STAGED.length).split(':');
  return more.length > 0 && isId(run);
}

/** Whether a key is this program's own, and so neither data nor an extra key. */
export function isOwnKey(key: Buffer): boolean {
  return isStaged(key) || key.equals(MARK);
}

const MARK = Buffer.from(SCRATCH_MARK);

/** How long a measurement is valid: clocks drift slowly and rarely jump. */
const VALID_MS = 60_000;
const measured = new WeakMap<RedisPort, { readonly at: number; readonly aheadMs: number }>();

/**
 * The time by the target's clock, in milliseconds since the epoch. The target alone decides what has expired: a key that is
 * expired by our clock may be alive there. Costs a command a minute.
 */
export async function clockOf(redis: RedisPort, clock: Pick<Clock, 'now'>): Promise<() => number> {
  const aheadMs = await clockAheadOf(redis, clock);
  return () => clock.now() + aheadMs;
}

/** How far the target's clock is ahead of ours, in milliseconds; 0 when the target does not report its time. */
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

/** Whether the database has the mark of a scratch database. */
export async function isMarked(redis: RedisPort): Promise<boolean> {
  const found = await runOne(redis, (sdk) => sdk.exists(SCRATCH_MARK));
  return 'value' in found && found.value === 1;
}

/** Number of keys in the database. Throws `redis-denied` when DBSIZE is denied. */
export async function countKeys(redis: RedisPort): Promise<number> {
  const size = await runOne(redis, (sdk) => sdk.dbsize());
  if ('value' in size) return size.value;
  throw new AppError('redis-denied', 'The target refuses DBSIZE', {
    hint: 'Restore with the standard REST token of the target; docs/operations.md names the commands that are needed.',
  });
}

/** Removes the mark before a restore: a later drill must not wipe restored data because of a mark that a dead drill left. */
export async function removeMark(redis: RedisPort): Promise<void> {
  if (!(await isMarked(redis))) return;
  if ('value' in (await runOne(redis, (sdk) => sdk.unlink(SCRATCH_MARK)))) return;
  throw new AppError(
    'redis-denied',
    `The target has the mark of a scratch database, ${SCRATCH_MARK}, and refuses UNLINK`,
    {
      hint: 'Restore with the standard REST token of the target: with this mark the next drill would wipe it.',
    },
  );
}
