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

interface RestoreRequest {
  /** Id of the database to replace. */
  readonly database: string;
  /** Id of the database of the backup; null for the same. */
  readonly from: string | null;
  /** Id of a backup, or `latest`. */
  readonly backup: string;
}

export interface ProviderRestorePlan {
  readonly database: ProviderDatabase;
  readonly backup: ProviderBackup;
  readonly from: string;
  readonly ageMs: number;
  /** Whether the database is the one that this program backs up. */
  readonly ours: boolean;
  /** Keys in it now; null if it is not ours or does not answer. */
  readonly keys: number | null;
  /** Whether it answers; null if it is not ours and was not tried. */
  readonly reachable: boolean | null;
}

/**
 * Reads everything that a restore depends on; changes nothing. Throws, besides the ports' errors, `not-found`, and
 * `not-restorable` for a backup that is not complete or a database that is not active.
 */
export async function planRestore(ports: PlanPorts, request: RestoreRequest): Promise<ProviderRestorePlan> {
  const { account, clock, redis } = ports;
  const from = request.from ?? request.database;
  const database = await account.database(request.database);
  const backup = await findBackup(account, from, request.backup);
  if (backup.state !== 'completed') throw notCompleteError(backup);
  if (database.busy !== null || database.state !== 'active') throw notReadyError(database);
  const ours = database.host === redis.host;
  const keys = ours ? await countKeys(redis) : null;
  const reachable = ours ? keys !== null : null;
  return { database, backup, from, ageMs: clock.now() - backup.createdAt, ours, keys, reachable };
}

/** Number of keys; null if the database does not answer. Other errors are thrown: a wrong token must be fixed first. */
export async function countKeys(redis: RedisPort): Promise<number | null> {
  try {
    const size = await runOne(redis, (sdk) => sdk.dbsize());
    if ('value' in size && typeof size.value === 'number') return size.value;
  } catch (error) {
    if (error instanceof AppError && error.code === 'redis-unavailable') return null;
    throw error;
  }
  throw new AppError('redis-denied', 'The database refuses DBSIZE', { hint: 'Use the standard REST token.' });
}

/** Asserts that the operator typed the database's id or name. Throws `not-confirmed`. */
export function assertTyped({ database }: ProviderRestorePlan, typed: string | null): void {
  if (typed !== null && (typed === database.id || typed === database.name)) return;
  throw new AppError('not-confirmed', 'Deleting everything in a database must be confirmed with its name', {
    hint: 'Run with --dry-run first. Then type the id or the name of the database, or give it with --confirm.',
  });
}

function notCompleteError({ id, state }: ProviderBackup): AppError {
  return new AppError('not-restorable', `Upstash's backup ${id} is ${state === 'unknown' ? 'not complete' : state}`, {
    hint: 'Choose another backup: `npx soulcaster-backup upstash backups list --env-file .env`.',
  });
}

function notReadyError({ busy, state }: ProviderDatabase): AppError {
  // Only a plain word of the vendor is quoted.
  const word = /^[a-z_-]{1,40}$/i.test(busy ?? state) ? ` (${busy ?? state})` : '';
  return new AppError('not-restorable', `The database is not ready for a restore${word}`, {
    hint: 'Wait until the Upstash console shows the database as active with no operation in progress, then try again.',
  });
}
