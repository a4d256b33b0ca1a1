import { AppError } from '../errors.js';
import type { Clock, RedisPort } from '../ports/index.js';
import type { ProviderBackup, ProviderDatabase, UpstashAccount } from '../ports/upstash-account.js';
import { runOne } from '../redis/run-one.js';
import { findBackup } from './backups.js';

export interface PlanPorts {
  readonly account: UpstashAccount;
  readonly clock: Clock;
  /** The database that this program backs up. */
  readonly redis: RedisPort;
}

export interface RestoreRequest {
  /** Id of the database that is replaced. */
  readonly database: string;
  /** Id of the database that the backup is of; null for the same. */
  readonly from: string | null;
  /** Id of a backup, or `latest`. */
  readonly backup: string;
}

/** What a restore of one of Upstash's backups would do. */
export interface ProviderRestorePlan {
  readonly database: ProviderDatabase;
  readonly backup: ProviderBackup;
  readonly from: string;
  readonly ageMs: number;
  /** Whether the database is the one that this program backs up. */
  readonly ours: boolean;
  /** Keys in it now; null where it is not ours, or does not answer. */
  readonly keys: number | null;
  /** Whether it answers; null where it is not ours, so that it was not asked. */
  readonly reachable: boolean | null;
}

/**
 * Looks at everything that a restore would touch, and changes nothing. Throws, besides what the ports throw,
 * `not-found`, and `not-restorable` for a backup that is not complete or a database that is not active.
 */
export async function planRestore(ports: PlanPorts, request: RestoreRequest): Promise<ProviderRestorePlan> {
  const { account, clock, redis } = ports;
  const from = request.from ?? request.database;
  const database = await account.database(request.database);
  const backup = await findBackup(account, from, request.backup);
  if (backup.state !== 'completed') throw notComplete(backup);
  if (database.busy !== null || database.state !== 'active') throw notReady(database);
  const ours = database.host === redis.host;
  const keys = ours ? await keysIn(redis) : null;
  const reachable = ours ? keys !== null : null;
  return { database, backup, from, ageMs: clock.now() - backup.createdAt, ours, keys, reachable };
}

/** Null when the database does not answer. Another error is not overlooked: a wrong token must be mended first. */
export async function keysIn(redis: RedisPort): Promise<number | null> {
  try {
    const size = await runOne(redis, (sdk) => sdk.dbsize());
    if ('value' in size && typeof size.value === 'number') return size.value;
  } catch (error) {
    if (error instanceof AppError && error.code === 'redis-unavailable') return null;
    throw error;
  }
  throw new AppError('redis-denied', 'The database refuses DBSIZE', { hint: 'Use the standard REST token.' });
}

/** Demands the database's id or name, as somebody typed it. Throws `not-confirmed`. */
export function demandTyped({ database }: ProviderRestorePlan, typed: string | null): void {
  if (typed !== null && (typed === database.id || typed === database.name)) return;
  throw new AppError('not-confirmed', 'To delete everything in a database takes its name', {
    hint: 'Look at --dry-run first. Then type the id or the name of the database, or give it with --confirm.',
  });
}

function notComplete({ id, state }: ProviderBackup): AppError {
  return new AppError('not-restorable', `Upstash's backup ${id} is ${state === 'unknown' ? 'not complete' : state}`, {
    hint: 'Take another one; see `npx soulcaster-backup upstash backups list --env-file .env`.',
  });
}

function notReady({ busy, state }: ProviderDatabase): AppError {
  // The words are of a vendor's list; anything else is not repeated.
  const word = /^[a-z_-]{1,40}$/i.test(busy ?? state) ? ` (${busy ?? state})` : '';
  return new AppError('not-restorable', `The database is not ready for a restore${word}`, {
    hint: 'Wait until the Upstash console shows nothing under way and the database as active, then start again.',
  });
}
