import { AppError } from '../errors.js';
import type { ProviderBackup, UpstashAccount, ProviderDatabase } from '../ports/upstash-account.js';
import type { Clock } from '../ports/clock.js';
import { newId } from '../runs/ids.js';

const LATEST = 'latest';

/** A backup by its id, or `latest` for the newest that is complete. Throws `not-found` and `not-restorable`. */
export async function findBackup(account: UpstashAccount, database: string, wanted: string): Promise<ProviderBackup> {
  const backups = await account.backups(database);
  if (wanted === LATEST) {
    const newest = backups.find(({ state }) => state === 'completed');
    if (newest !== undefined) return newest;
    throw new AppError('not-found', `Upstash has no complete backup of database ${database}`, {
      hint: 'See `npx soulcaster-backup upstash backups list --env-file .env`; a backup of another database is named with --from.',
    });
  }
  const found = backups.find(({ id }) => id === wanted);
  if (found !== undefined) return found;
  throw new AppError(
    'not-found',
    `Upstash has no backup ${JSON.stringify(wanted.slice(0, 64))} of database ${database}`,
    {
      hint: 'See `npx soulcaster-backup upstash backups list --env-file .env` for the ids; a backup of another database is named with --from.',
    },
  );
}

/** Deletes one backup at Upstash, for good; gives what it was. `latest` is none: what is deleted is named. */
export async function removeBackup(account: UpstashAccount, database: string, backup: string): Promise<ProviderBackup> {
  const found = await nameable(account, database, backup);
  await account.deleteBackup(database, found.id).catch((error: unknown) => {
    // A first request did it, and its answer was lost.
    if (!(error instanceof AppError) || error.code !== 'not-found') throw error;
  });
  return found;
}

/** The backup that is meant, looked up for somebody to agree to its end. Throws `not-found`, and `usage` for `latest`. */
export async function nameable(account: UpstashAccount, database: string, backup: string): Promise<ProviderBackup> {
  if (backup !== 'latest') return findBackup(account, database, backup);
  throw new AppError('usage', 'A backup to be deleted is named by its id', {
    hint: 'See `npx soulcaster-backup upstash backups list --env-file .env` for the ids.',
  });
}

interface Switched {
  readonly before: boolean | null;
  readonly database: ProviderDatabase;
}

/** Turns Upstash's daily backups of a database on or off, and looks that they are. Doing it twice changes nothing. */
export async function switchDaily(account: UpstashAccount, database: string, on: boolean): Promise<Switched> {
  const { dailyBackup: before } = await account.database(database);
  if (before !== on) await account.setDailyBackup(database, on);
  const after = await account.database(database);
  // Null: Upstash does not say, so its yes must do.
  if (after.dailyBackup === null || after.dailyBackup === on) return { before, database: after };
  throw new AppError('upstash-refused', `Upstash said yes, but daily backups are still ${on ? 'off' : 'on'}`, {
    hint: 'Look at the Backups tab of the database in the Upstash console, and switch them there.',
  });
}

interface CreatePorts {
  readonly account: UpstashAccount;
  readonly clock: Clock;
}

interface CreateRequest {
  readonly database: string;
  /** Null: one of ours, with the time in it. */
  readonly name: string | null;
  /** Whether to see it to its end. */
  readonly wait: boolean;
  readonly interrupt: AbortSignal;
}

/** How often, and for how long, in milliseconds. */
const POLL_MS = 2_000;
const PATIENCE_MS = 15 * 60_000;
/** A backup that was begun is in the list before long. */
const APPEAR_MS = 20_000;

/**
 * Has Upstash make a backup, and waits until it is complete. The answer of the one request that begins it may be lost:
 * then the list says whether there is one of its name. Throws, besides what the port throws, `upstash-refused` when it
 * ended as failed, `upstash-unavailable` when its end was not seen in time, `interrupted`, and `usage` when there is
 * already one of that name.
 */
export async function createBackup({ account, clock }: CreatePorts, request: CreateRequest): Promise<ProviderBackup> {
  const { database, wait, interrupt } = request;
  const name = request.name ?? `soulcaster-${newId(clock.now())}`;
  if (named(await account.backups(database), name) !== undefined) throw taken(name);
  const doubt = await begun(account, database, name);
  const since = clock.now();
  for (;;) {
    const found = named(await account.backups(database), name);
    if (found?.state === 'failed') throw failed(name);
    if (found !== undefined && (!wait || found.state === 'completed')) return found;
    const elapsed = clock.now() - since;
    if (found === undefined && elapsed >= APPEAR_MS) throw doubt ?? unseen(name);
    if (elapsed >= PATIENCE_MS) throw late(name);
    if (interrupt.aborted) throw interrupted(name);
    await clock.sleep(POLL_MS, interrupt);
  }
}

/** Null when Upstash said yes, the error when it is not known whether it did. */
async function begun(account: UpstashAccount, database: string, name: string): Promise<AppError | null> {
  try {
    await account.createBackup(database, name);
    return null;
  } catch (error) {
    if (error instanceof AppError && error.code === 'upstash-unavailable') return error;
    throw error;
  }
}

function named(backups: readonly ProviderBackup[], name: string): ProviderBackup | undefined {
  return backups.find((backup) => backup.name === name);
}

const LIST = 'See `npx soulcaster-backup upstash backups list --env-file .env`';

function taken(name: string): AppError {
  return new AppError('usage', `There is already a backup called ${JSON.stringify(name)}`, {
    hint: 'Give another --name, or none: then it gets one with the time in it.',
  });
}

function failed(name: string): AppError {
  return new AppError('upstash-refused', `Upstash says that its backup ${name} failed`, {
    hint: `${LIST}, and try once more. Snapshots of this program do not depend on it: soulcaster-backup backup.`,
  });
}

function unseen(name: string): AppError {
  return new AppError('upstash-unavailable', `Upstash said yes, but has no backup called ${name} in its list`, {
    hint: `${LIST} in a while.`,
    transient: true,
  });
}

function late(name: string): AppError {
  return new AppError('upstash-unavailable', `Backup ${name} is not complete after ${PATIENCE_MS / 60_000} minutes`, {
    hint: `It continues at Upstash. ${LIST} later.`,
    transient: true,
  });
}

function interrupted(name: string): AppError {
  return new AppError('interrupted', `Backup ${name} is no longer watched; it continues at Upstash`, {
    hint: `${LIST}.`,
  });
}
